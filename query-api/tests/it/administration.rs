//! Accounts, users and websites as admins and users keep them, and the audit log beside it.

use std::time::Duration;

use clickhouse::Row;
use directory::{Directory, Role};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use service::{MasterKey, Stop};
use uuid::Uuid;

use crate::house::{House, house};

/// Asks with a key, and gives the status and the body.
async fn ask(house: &House, method: Method, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let body = Some(body).filter(|body| !body.is_null()).map(ToString::to_string);
    let response = house.ask(method, &format!("/api/v1{path}"), Some(key), body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Asks for something that is refused, and gives the message.
async fn refused(house: &House, method: Method, path: &str, key: &str, body: &Value, status: u16) -> String {
    let (got, answer) = ask(house, method.clone(), path, key, body).await;
    assert_eq!(got, status, "{method} {path} {body}: {answer}");
    let code = if status == 404 { "NOT_FOUND" } else { "INVALID_PAYLOAD" };
    assert_eq!((&answer["status"], &answer["error"]["code"]), (&json!("error"), &json!(code)), "{body}");
    answer["error"]["message"].as_str().unwrap().to_owned()
}

async fn admin(house: &House) -> String {
    house.account(Role::Admin).await.1
}

/// The entry of a list with this id.
async fn listed(house: &House, path: &str, key: &str, id: &Value) -> Option<Value> {
    let (status, body) = ask(house, Method::GET, path, key, &Value::Null).await;
    assert_eq!(status, 200);
    body["data"].as_array().unwrap().iter().find(|entry| entry["id"] == *id).cloned()
}

#[tokio::test]
async fn an_account_is_made_and_listed_as_published() {
    let house = house().await;
    house.clock.set(1_768_473_000_000);
    let key = admin(&house).await;
    let (status, made) = ask(&house, Method::POST, "/accounts", &key, &json!({ "name": "Acme Corp" })).await;
    let id = made["data"]["id"].clone();
    let account = json!({ "id": id, "name": "Acme Corp", "createdAt": "2026-01-15T10:30:00.000Z" });
    assert_eq!((status, &made), (201, &json!({ "status": "success", "data": account })));
    assert!(id.as_str().unwrap().parse::<Uuid>().is_ok());
    assert_eq!(listed(&house, "/accounts", &key, &id).await, Some(account));
}

#[tokio::test]
async fn an_account_needs_a_name() {
    let house = house().await;
    let key = admin(&house).await;
    let long = json!({ "name": "a".repeat(256) });
    let bad =
        [json!({}), json!({ "name": null }), json!({ "name": 7 }), json!({ "name": " " }), json!([]), long];
    for body in bad {
        let message = refused(&house, Method::POST, "/accounts", &key, &body, 400).await;
        assert!(message.contains("name") || body.is_array(), "{message}");
    }
}

#[tokio::test]
async fn a_user_is_made_with_a_key_and_listed_without_it() {
    let house = house().await;
    house.clock.set(1_768_473_000_000);
    let (account, key) = house.account(Role::Admin).await;
    let body = json!({ "account_id": account, "role": "user", "email": "user@example.com" });
    let (status, mut made) = ask(&house, Method::POST, "/users", &key, &body).await;
    assert_eq!(status, 201, "{made}");
    let api_key = made["data"].as_object_mut().unwrap().remove("apiKey").unwrap();
    let id = made["data"]["id"].clone();
    let user = json!({
        "id": id,
        "accountId": account,
        "email": "user@example.com",
        "role": "user",
        "createdAt": "2026-01-15T10:30:00.000Z"
    });
    assert_eq!(made, json!({ "status": "success", "data": user }));
    assert_eq!(listed(&house, "/users", &key, &id).await, Some(user.clone()));

    let api_key = api_key.as_str().unwrap();
    assert!(api_key.starts_with("tt_"));
    assert_eq!(ask(&house, Method::GET, "/websites", api_key, &Value::Null).await.0, 200);
    let path = format!("/users/{}/api-key", id.as_str().unwrap());
    let (status, shown) = ask(&house, Method::GET, &path, &key, &Value::Null).await;
    let data = json!({ "id": id, "apiKey": api_key });
    assert_eq!((status, shown), (200, json!({ "status": "success", "data": data })));

    let path = format!("/users/{}", id.as_str().unwrap());
    let (status, deleted) = ask(&house, Method::DELETE, &path, &key, &Value::Null).await;
    assert_eq!((status, deleted), (200, json!({ "status": "success", "data": user })));
    assert_eq!(listed(&house, "/users", &key, &id).await, None);
    // At once, in this process.
    assert_eq!(ask(&house, Method::GET, "/websites", api_key, &Value::Null).await.0, 401);
    for (method, path) in [(Method::DELETE, path.clone()), (Method::GET, format!("{path}/api-key"))] {
        assert_eq!(refused(&house, method, &path, &key, &Value::Null, 404).await, "User not found.");
    }
}

#[tokio::test]
async fn an_email_is_a_label_that_may_be_missing() {
    let house = house().await;
    let (account, key) = house.account(Role::Admin).await;
    for role in ["user", "admin"] {
        let body = json!({ "account_id": account, "role": role });
        let (status, made) = ask(&house, Method::POST, "/users", &key, &body).await;
        assert_eq!((status, &made["data"]["email"], &made["data"]["role"]), (201, &json!(""), &json!(role)));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_user_is_told_by_field() {
    let house = house().await;
    let (account, key) = house.account(Role::Admin).await;
    for (field, body) in [
        ("role", json!({ "account_id": account })),
        ("role", json!({ "account_id": account, "role": "emperor" })),
        ("role", json!({ "account_id": account, "role": "Admin" })),
        ("role", json!({ "account_id": account, "role": 1 })),
        ("account_id", json!({ "role": "user" })),
        ("account_id", json!({ "role": "user", "account_id": "7" })),
        ("account_id", json!({ "role": "user", "account_id": 7 })),
        ("account_id", json!({ "role": "user", "account_id": Uuid::new_v4() })),
        ("email", json!({ "account_id": account, "role": "user", "email": 7 })),
        ("email", json!({ "account_id": account, "role": "user", "email": "a".repeat(256) })),
    ] {
        let message = refused(&house, Method::POST, "/users", &key, &body, 400).await;
        assert!(message.contains(field), "{message}");
    }
}

#[tokio::test]
async fn a_website_is_changed_as_published() {
    let house = house().await;
    let (account, key) = house.account(Role::User).await;
    let (_, made) = ask(&house, Method::POST, "/websites", &key, &json!({ "domain": "old.example" })).await;
    let id = made["data"]["id"].clone();
    let path = format!("/websites/{}", id.as_str().unwrap());
    assert_eq!(ask(&house, Method::GET, &path, &key, &Value::Null).await, (200, made.clone()));

    let change = json!({
        "domain": "New.example",
        "content_groups": [{ "name": "Blog", "pattern": "/blog*" }],
        "excluded_ips": ["192.0.2.0/24"],
        "timezone": "Europe/Helsinki",
        "respect_dnt": true
    });
    let (status, changed) = ask(&house, Method::PATCH, &path, &key, &change).await;
    let website = json!({
        "id": id,
        "accountId": account,
        "domain": "new.example",
        "timezone": "Europe/Helsinki",
        "contentGroups": [{ "name": "Blog", "pattern": "/blog*" }],
        "excludedIps": ["192.0.2.0/24"],
        "respectDnt": true,
        "createdAt": "2026-03-02T12:00:00.000Z"
    });
    assert_eq!((status, changed), (200, json!({ "status": "success", "data": website })));
    assert_eq!(listed(&house, "/websites", &key, &id).await, Some(website));

    let (_, emptied) = ask(&house, Method::PATCH, &path, &key, &json!({ "excluded_ips": [] })).await;
    assert_eq!(emptied["data"]["excludedIps"], json!([]));
    assert_eq!(emptied["data"]["domain"], "new.example", "what is not named stays");
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told_by_field() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    ask(&house, Method::POST, "/websites", &key, &json!({ "domain": "two.example" })).await;
    let (_, made) = ask(&house, Method::POST, "/websites", &key, &json!({ "domain": "one.example" })).await;
    let (_, list) = ask(&house, Method::GET, "/websites", &key, &Value::Null).await;
    let path = format!("/websites/{}", made["data"]["id"].as_str().unwrap());
    for (word, body) in [
        ("At least one field", json!({})),
        ("At least one field", json!({ "domain": null })),
        ("At least one field", json!({ "colour": "red" })),
        ("domain", json!({ "domain": "" })),
        ("domain", json!({ "domain": "https://one.example" })),
        ("domain", json!({ "domain": "two.example" })),
        ("domain", json!({ "domain": ["one.example"] })),
        ("content_groups", json!({ "content_groups": {} })),
        ("content_groups", json!({ "content_groups": [{ "name": "a" }] })),
        ("excluded_ips", json!({ "excluded_ips": ["nowhere"] })),
        ("timezone", json!({ "timezone": "Mars/Olympus" })),
        ("respect_dnt", json!({ "respect_dnt": "no" })),
        ("object", json!([])),
    ] {
        let message = refused(&house, Method::PATCH, &path, &key, &body, 400).await;
        assert!(message.contains(word), "{body}: {message}");
    }
    let (_, after) = ask(&house, Method::GET, "/websites", &key, &Value::Null).await;
    assert_eq!(after, list, "a refused change changes nothing");
}

/// An entry of the audit log.
#[derive(Row, Deserialize, Debug, PartialEq)]
struct Entry {
    actor: String,
    action: String,
    account: String,
    website: String,
    subject: String,
    detail: String,
}

async fn audit_of(house: &House, actor: Uuid) -> Vec<Entry> {
    let query = house.client().query(
        "SELECT actor, action, toString(account_id) AS account, toString(website_id) AS website, subject, detail
         FROM audit_log WHERE actor = {actor:String} ORDER BY at, action",
    );
    query.param("actor", actor.to_string()).fetch_all().await.unwrap()
}

#[tokio::test]
async fn whoever_administers_is_in_the_audit_log() {
    let house = house().await;
    let key = admin(&house).await;
    let actor = house.directory.snapshot().user_by_key(&key).unwrap().id;
    let act = async |method: Method, path: &str, body: Value| {
        house.clock.set(house.clock.now() + 1);
        let (status, answer) = ask(&house, method, path, &key, &body).await;
        assert!(status < 300, "{answer}");
        answer["data"]["id"].as_str().unwrap_or_default().to_owned()
    };
    let account = act(Method::POST, "/accounts", json!({ "name": "Acme" })).await;
    let website =
        act(Method::POST, "/websites", json!({ "domain": "a.example", "account_id": account })).await;
    act(Method::PATCH, &format!("/websites/{website}"), json!({ "timezone": "Asia/Kolkata" })).await;
    let user = act(Method::POST, "/users", json!({ "account_id": account, "role": "user" })).await;
    act(Method::GET, &format!("/users/{user}/api-key"), Value::Null).await;
    act(Method::DELETE, &format!("/users/{user}"), Value::Null).await;
    let bound = act(Method::POST, &format!("/websites/{website}/keys"), json!({ "email": "till" })).await;
    // What is refused has no entry.
    refused(&house, Method::DELETE, &format!("/users/{user}"), &key, &Value::Null, 404).await;

    let nobody = Uuid::nil().to_string();
    let role = r#"{"role":"user"}"#;
    let expected = [
        ("account.create", &nobody, &account, "{}"),
        ("website.create", &website, &website, r#"{"settings":["domain"]}"#),
        ("website.update", &website, &website, r#"{"settings":["timezone"]}"#),
        ("user.create", &nobody, &user, role),
        ("user.reveal_key", &nobody, &user, role),
        ("user.delete", &nobody, &user, role),
        ("user.create", &website, &bound, role),
    ]
    .map(|(action, website, subject, detail)| Entry {
        actor: actor.to_string(),
        action: action.to_owned(),
        account: account.clone(),
        website: website.clone(),
        subject: subject.clone(),
        detail: detail.to_owned(),
    });
    assert_eq!(audit_of(&house, actor).await, expected);
}

#[tokio::test]
async fn another_process_knows_every_change_within_its_refresh() {
    let house = house().await;
    let (account, key) = house.account(Role::Admin).await;
    let master = MasterKey::parse(&"5a".repeat(32)).unwrap();
    let other = Directory::open(&house.store, &master, house.clock.clone()).await.unwrap();
    let stop = Stop::new();
    tokio::spawn(other.clone().keep_fresh(stop.clone()));
    let soon = async |what: &str, happened: &dyn Fn() -> bool| {
        for _ in 0..1_500 {
            if happened() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the other process does not know: {what}");
    };

    let (_, made) = ask(&house, Method::POST, "/websites", &key, &json!({ "domain": "a.example" })).await;
    let id: Uuid = made["data"]["id"].as_str().unwrap().parse().unwrap();
    soon("a website was made", &|| other.snapshot().website(id).is_some()).await;
    let change = json!({ "excluded_ips": ["192.0.2.7"] });
    ask(&house, Method::PATCH, &format!("/websites/{id}"), &key, &change).await;
    let excluded = || other.snapshot().website(id).unwrap().excluded_ips.texts() == ["192.0.2.7"];
    soon("its settings were changed", &excluded).await;

    let body = json!({ "account_id": account, "role": "user" });
    let (_, made) = ask(&house, Method::POST, "/users", &key, &body).await;
    let user_key = made["data"]["apiKey"].as_str().unwrap().to_owned();
    soon("a key was made", &|| other.snapshot().user_by_key(&user_key).is_some()).await;
    ask(
        &house,
        Method::DELETE,
        &format!("/users/{}", made["data"]["id"].as_str().unwrap()),
        &key,
        &Value::Null,
    )
    .await;
    soon("the key was deleted", &|| other.snapshot().user_by_key(&user_key).is_none()).await;
    stop.cancel();
}
