//! `GET` and `POST /api/v1/websites`.

use directory::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{House, house};

const PATH: &str = "/api/v1/websites";

async fn create(house: &House, key: &str, body: &Value) -> (u16, Value) {
    let response = house.ask(Method::POST, PATH, Some(key), Some(body.to_string())).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn list(house: &House, key: &str) -> Vec<Value> {
    let response = house.ask(Method::GET, PATH, Some(key), None).await;
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], "success");
    body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_published_example() {
    let house = house().await;
    house.clock.set(1_768_473_000_000);
    let (account, key) = house.account(Role::User).await;
    let (status, made) = create(&house, &key, &json!({ "domain": "example.com" })).await;
    assert_eq!(status, 201, "{made}");
    let id: Uuid = made["data"]["id"].as_str().unwrap().parse().unwrap();
    let website = json!({
        "id": id,
        "accountId": account,
        "domain": "example.com",
        "timezone": "UTC",
        "contentGroups": [],
        "excludedIps": [],
        "createdAt": "2026-01-15T10:30:00.000Z"
    });
    assert_eq!(made, json!({ "status": "success", "data": website }));
    assert_eq!(list(&house, &key).await, [website]);
}

#[tokio::test]
async fn settings_come_back_as_they_were_given() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    let body = json!({
        "domain": "Example.com",
        "content_groups": [{ "name": "Blog", "pattern": "/blog*" }, { "name": "Docs", "pattern": "/docs*" }],
        "excluded_ips": ["192.0.2.10", "2001:db8::/32"],
        "timezone": "Asia/Kolkata",
        "respect_dnt": true,
        "colour": "unknown fields are not looked at"
    });
    let (status, made) = create(&house, &key, &body).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["data"]["domain"], "example.com");
    assert_eq!(made["data"]["contentGroups"], body["content_groups"]);
    assert_eq!(made["data"]["excludedIps"], body["excluded_ips"]);
    assert_eq!(made["data"]["timezone"], "Asia/Kolkata");
    assert_eq!(made["data"]["respectDnt"], true);
    assert_eq!(list(&house, &key).await, [made["data"].clone()]);
}

#[tokio::test]
async fn users_see_their_accounts_websites_and_admins_see_all() {
    let house = house().await;
    let (_, ann) = house.account(Role::User).await;
    let (_, bob) = house.account(Role::User).await;
    let (_, admin) = house.account(Role::Admin).await;
    let mut ids = Vec::new();
    for key in [&ann, &bob] {
        let (status, made) = create(&house, key, &json!({ "domain": "same.example" })).await;
        assert_eq!(status, 201, "{made}");
        ids.push(made["data"]["id"].clone());
    }
    let seen = async |key: &str| -> Vec<Value> {
        list(&house, key)
            .await
            .iter()
            .map(|website| website["id"].clone())
            .filter(|id| ids.contains(id))
            .collect()
    };
    assert_eq!(seen(&ann).await, ids[..1]);
    assert_eq!(seen(&bob).await, ids[1..]);
    let all = seen(&admin).await;
    assert!(all.len() == 2, "{all:?}");
}

#[tokio::test]
async fn only_an_admin_makes_a_website_for_another_account() {
    let house = house().await;
    let (anns, ann) = house.account(Role::User).await;
    let (admins, admin) = house.account(Role::Admin).await;
    let body = |domain: &str, account: Uuid| json!({ "domain": domain, "account_id": account });

    let (status, made) = create(&house, &admin, &body("one.example", anns)).await;
    assert_eq!((status, &made["data"]["accountId"]), (201, &json!(anns)));
    let (status, made) = create(&house, &admin, &json!({ "domain": "two.example" })).await;
    assert_eq!((status, &made["data"]["accountId"]), (201, &json!(admins)));
    let (status, made) = create(&house, &ann, &body("three.example", anns)).await;
    assert_eq!((status, &made["data"]["accountId"]), (201, &json!(anns)));

    let (status, refused) = create(&house, &ann, &body("four.example", admins)).await;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("FORBIDDEN")));
    let (status, refused) = create(&house, &admin, &body("five.example", Uuid::new_v4())).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_PAYLOAD")));
    assert!(refused["error"]["message"].as_str().unwrap().contains("account_id"));
}

#[tokio::test]
async fn a_domain_is_taken_once_per_account() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    let body = json!({ "domain": "example.com" });
    assert_eq!(create(&house, &key, &body).await.0, 201);
    let (status, refused) = create(&house, &key, &body).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_PAYLOAD")));
    assert!(refused["error"]["message"].as_str().unwrap().contains("domain"));
    assert_eq!(list(&house, &key).await.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_told_by_field() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    let with = |field: &str, value: Value| {
        let mut body = json!({ "domain": "example.com" });
        body[field] = value;
        body
    };
    for (field, body) in [
        ("domain", json!({})),
        ("domain", json!({ "domain": null })),
        ("domain", json!({ "domain": 5 })),
        ("domain", json!({ "domain": "" })),
        ("domain", json!({ "domain": "https://example.com/" })),
        ("domain", json!({ "domain": "exa mple.com" })),
        ("domain", json!({ "domain": "a".repeat(256) })),
        ("content_groups", with("content_groups", json!("Blog"))),
        ("content_groups", with("content_groups", json!([{ "name": "Blog" }]))),
        ("content_groups", with("content_groups", json!([{ "name": "Blog", "pattern": 1 }]))),
        ("content_groups", with("content_groups", json!([{ "name": "", "pattern": "/" }]))),
        ("content_groups", with("content_groups", json!([["Blog", "/blog"]]))),
        ("excluded_ips", with("excluded_ips", json!({}))),
        ("excluded_ips", with("excluded_ips", json!([1]))),
        ("excluded_ips", with("excluded_ips", json!(["10.0.0.0/33"]))),
        ("timezone", with("timezone", json!("Mars/Olympus"))),
        ("timezone", with("timezone", json!(2))),
        ("respect_dnt", with("respect_dnt", json!("yes"))),
        ("respect_dnt", with("respect_dnt", json!(1))),
        ("retention_days", with("retention_days", json!(0))),
        ("retention_days", with("retention_days", json!(-1))),
        ("retention_days", with("retention_days", json!(40_000))),
        ("retention_days", with("retention_days", json!("30"))),
        ("account_id", with("account_id", json!("mine"))),
        ("account_id", with("account_id", json!(7))),
    ] {
        let (status, refused) = create(&house, &key, &body).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_PAYLOAD")), "{body}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(field), "{refused}");
    }
    assert_eq!(list(&house, &key).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    for body in ["", "{", "[]", "5", "\"example.com\"", "{\"domain\":\"a.example\"} x", "\u{0}"] {
        let response = house.ask(Method::POST, PATH, Some(&key), Some(body.to_owned())).await;
        assert_eq!(response.status(), 400, "{body}");
        let refused: Value = response.json().await.unwrap();
        assert_eq!(refused["error"]["code"], "INVALID_PAYLOAD", "{body}");
    }
}

#[tokio::test]
async fn a_body_is_bounded() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    let of_length = |length: usize| {
        let rest = r#"{"domain":"example.com","note":""}"#.len();
        format!(r#"{{"domain":"example.com","note":"{}"}}"#, "x".repeat(length - rest))
    };
    let response = house.ask(Method::POST, PATH, Some(&key), Some(of_length(256 * 1024 + 1))).await;
    assert_eq!(response.status(), 413);
    let refused: Value = response.json().await.unwrap();
    assert_eq!(refused["error"]["code"], "INVALID_PAYLOAD");
    let response = house.ask(Method::POST, PATH, Some(&key), Some(of_length(256 * 1024))).await;
    assert_eq!(response.status(), 201);
}

async fn add_key(house: &House, key: &str, website: &str, body: &Value) -> (u16, Value) {
    let path = format!("{PATH}/{website}/keys");
    let response = house.ask(Method::POST, &path, Some(key), Some(body.to_string())).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn an_admin_makes_a_key_that_is_good_for_one_website() {
    let house = house().await;
    let (account, ann) = house.account(Role::User).await;
    let (_, admin) = house.account(Role::Admin).await;
    let mut websites = Vec::new();
    for domain in ["a.example", "b.example"] {
        let (_, made) = create(&house, &ann, &json!({ "domain": domain })).await;
        websites.push(made["data"]["id"].as_str().unwrap().to_owned());
    }
    let (status, mut made) = add_key(&house, &admin, &websites[0], &json!({ "email": "till" })).await;
    assert_eq!(status, 201, "{made}");
    let key = made["data"]["apiKey"].take().as_str().unwrap().to_owned();
    let id = made["data"]["id"].take();
    assert!(id.as_str().unwrap().parse::<Uuid>().is_ok() && key.starts_with("tt_"));
    let expected = json!({
        "id": null,
        "accountId": account,
        "websiteId": websites[0],
        "email": "till",
        "role": "user",
        "apiKey": null,
        "createdAt": "2026-03-02T12:00:00.000Z"
    });
    assert_eq!(made, json!({ "status": "success", "data": expected }));
    let seen = list(&house, &key).await;
    assert_eq!(seen.iter().map(|website| &website["id"]).collect::<Vec<_>>(), [&json!(websites[0])]);

    let nobody = Uuid::new_v4().to_string();
    for (caller, website, body, status, code) in [
        (&ann, &websites[0], json!({}), 403, "FORBIDDEN"),
        (&key, &websites[0], json!({}), 403, "FORBIDDEN"),
        (&"tt_x".to_owned(), &websites[0], json!({}), 401, "UNAUTHORIZED"),
        (&admin, &nobody, json!({}), 404, "NOT_FOUND"),
        (&admin, &"7".to_owned(), json!({}), 400, "INVALID_PAYLOAD"),
        (&admin, &websites[0], json!({ "email": 7 }), 400, "INVALID_PAYLOAD"),
        (&admin, &websites[0], json!([]), 400, "INVALID_PAYLOAD"),
    ] {
        let (got, answer) = add_key(&house, caller, website, &body).await;
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{answer}");
    }
}
