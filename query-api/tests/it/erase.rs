//! `DELETE /api/v1/websites/:id` and `/accounts/:id`, `POST …/erasures`, `POST /api/v1/admin/aggregate`.

use directory::{NewUser, Role};
use reqwest::Method;
use schema::epochs;
use schema::maintain::Maintainer;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{House, house, house_of_its_own};

async fn ask(house: &House, method: Method, path: &str, key: &str, body: Option<Value>) -> (u16, Value) {
    let response = house.ask(method, path, Some(key), body.map(|body| body.to_string())).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn delete(house: &House, path: &str, key: &str) -> (u16, Value) {
    ask(house, Method::DELETE, path, key, None).await
}

async fn audited(house: &House, action: &str, website: Uuid) -> Vec<String> {
    let sql = "SELECT concat(actor, ' ', detail) FROM audit_log WHERE action = ? AND website_id = ?";
    house.client().query(sql).bind(action).bind(website).fetch_all::<String>().await.unwrap()
}

#[tokio::test]
async fn a_deleted_website_is_answered_once_more_and_is_absent_from_then_on() {
    let house = house_of_its_own().await;
    let (account, key) = house.account(Role::User).await;
    let (_, made) = ask(
        &house,
        Method::POST,
        "/api/v1/websites",
        &key,
        Some(json!({ "domain": "example.com", "retention_days": 30 })),
    )
    .await;
    assert_eq!(made["data"]["retentionDays"], 30, "{made}");
    let id: Uuid = made["data"]["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/v1/websites/{id}");
    let new = NewUser { account_id: account, website_id: Some(id), email: "till".into(), role: Role::User };
    let (_, bound) = house.directory.add_user(new).await.unwrap();
    let (status, refused) = delete(&house, &path, &bound.to_string()).await;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("FORBIDDEN")));

    assert_eq!(delete(&house, &path, &key).await, (200, made));
    let (status, gone) = delete(&house, &path, &key).await;
    assert_eq!((status, &gone["error"]["code"]), (404, &json!("NOT_FOUND")));
    let report = format!("/api/v1/reports/summary?website_id={id}");
    assert_eq!(ask(&house, Method::GET, &report, &key, None).await.0, 404);
    assert_eq!(ask(&house, Method::GET, "/api/v1/websites", &key, None).await.1["data"], json!([]));
    assert_eq!(
        ask(&house, Method::GET, "/api/v1/websites", &bound.to_string(), None).await.0,
        401,
        "its own key is nobody's"
    );
    assert_eq!(audited(&house, "website.delete", id).await.len(), 1);
    // Its domain is free again.
    let again = Some(json!({ "domain": "example.com" }));
    assert_eq!(ask(&house, Method::POST, "/api/v1/websites", &key, again).await.0, 201);
    // A change that another process had under way does not bring it back.
    let late = format!(
        "INSERT INTO websites (id, domain, version, is_deleted) SELECT '{id}', 'x', 1900000000000, false"
    );
    house.client().query(&late).execute().await.unwrap();
    house.directory.refresh().await.unwrap();
    assert_eq!(ask(&house, Method::GET, &report, &key, None).await.0, 404);

    assert_eq!(Maintainer::new(house.store.clone()).erase().await.unwrap().len(), 1);
    assert_eq!(audited(&house, "website.erased", id).await.len(), 1);
}

#[tokio::test]
async fn only_the_own_websites_can_be_deleted_and_only_by_a_uuid() {
    let house = house().await;
    let site = house.site().await;
    let (_, stranger) = house.account(Role::User).await;
    let path = format!("/api/v1/websites/{}", site.id);
    for (path, key, status, code) in [
        (path.as_str(), stranger.as_str(), 404, "NOT_FOUND"),
        (path.as_str(), "tt_nobody", 401, "UNAUTHORIZED"),
        ("/api/v1/websites/example.com", site.key.as_str(), 400, "INVALID_PAYLOAD"),
        ("/api/v1/websites/00000000-0000-4000-8000-0000000000ff", site.key.as_str(), 404, "NOT_FOUND"),
        ("/api/v1/accounts/00000000-0000-4000-8000-0000000000ff", site.key.as_str(), 403, "FORBIDDEN"),
    ] {
        let (got, refused) = delete(&house, path, key).await;
        assert_eq!((got, &refused["error"]["code"]), (status, &json!(code)), "{path}");
    }
    assert_eq!(site.get("summary").await.status(), 200, "it is still there");
}

#[tokio::test]
async fn an_account_goes_with_its_users_and_websites() {
    let house = house_of_its_own().await;
    let (own, admin) = house.account(Role::Admin).await;
    let site = house.site().await;
    let snapshot = house.directory.snapshot();
    let account = snapshot.website(site.id).unwrap().account_id;
    let path = format!("/api/v1/accounts/{account}");
    for (path, status, code) in [
        ("/api/v1/accounts/mine".to_owned(), 400, "INVALID_PAYLOAD"),
        (format!("/api/v1/accounts/{}", Uuid::new_v4()), 404, "NOT_FOUND"),
        (format!("/api/v1/accounts/{own}"), 400, "INVALID_PAYLOAD"),
    ] {
        let (got, refused) = delete(&house, &path, &admin).await;
        assert_eq!((got, &refused["error"]["code"]), (status, &json!(code)), "{path}");
    }
    let (status, gone) = delete(&house, &path, &admin).await;
    assert_eq!(status, 200, "{gone}");
    assert_eq!(
        gone,
        json!({ "status": "success", "data": {
            "id": account, "name": "Test", "createdAt": "2026-03-02T12:00:00.000Z"
        } })
    );
    assert_eq!(site.get("summary").await.status(), 401, "its users' keys are nobody's");
    assert_eq!(delete(&house, &path, &admin).await.0, 404);
    assert_eq!(audited(&house, "website.delete", site.id).await.len(), 1);
    assert_eq!(Maintainer::new(house.store.clone()).erase().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_erasure_of_a_visitor_is_asked_for_by_one_id() {
    let house = house().await;
    let site = house.site().await;
    let path = format!("/api/v1/websites/{}/erasures", site.id);
    for body in [
        json!({}),
        json!({ "user_id": "" }),
        json!({ "user_id": "a", "visitor_id": "1" }),
        json!({ "visitor_id": "x" }),
        json!({ "user_id": 5 }),
    ] {
        let (status, refused) = ask(&house, Method::POST, &path, &site.key, Some(body)).await;
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("INVALID_PAYLOAD")));
    }
    let (status, asked) =
        ask(&house, Method::POST, &path, &site.key, Some(json!({ "user_id": "ann@example.com" }))).await;
    assert_eq!((status, &asked["data"]["state"]), (202, &json!("requested")), "{asked}");
    let one = format!("{path}/{}", asked["data"]["id"].as_str().unwrap());
    assert_eq!(ask(&house, Method::GET, &one, &site.key, None).await, (200, asked));
    let (_, stranger) = house.account(Role::User).await;
    assert_eq!(ask(&house, Method::GET, &one, &stranger, None).await.0, 404);
    assert_eq!(ask(&house, Method::GET, &format!("{path}/{}", Uuid::new_v4()), &site.key, None).await.0, 404);
    let written = audited(&house, "visitor.erase", site.id).await;
    assert!(written.len() == 1 && !written[0].contains("ann"), "{written:?}");
}

const AGGREGATE: &str = "/api/v1/admin/aggregate";

#[tokio::test]
async fn a_day_is_aggregated_again_by_an_admin() {
    let house = house_of_its_own().await;
    let (_, admin) = house.account(Role::Admin).await;
    let site = house.site().await;
    site.store([site.visit("ann").at("2026-03-01T10:00:00").sees("/")]).await;
    house
        .client()
        .query("ALTER TABLE site_totals_0 DELETE WHERE true SETTINGS mutations_sync = 2")
        .execute()
        .await
        .unwrap();
    let visits = async || {
        site.report("summary?start_date=2026-03-01&end_date=2026-03-01").await["metrics"]["visits"]["value"]
            .clone()
    };
    assert_eq!(visits().await, 0);
    // Yesterday, when nothing is said.
    let (status, done) = ask(&house, Method::POST, AGGREGATE, &admin, None).await;
    let message = json!({ "message": "Aggregation completed for 2026-03-01" });
    assert_eq!((status, &done), (200, &json!({ "status": "success", "data": message })));
    assert_eq!(visits().await, 1);
    // Twice at once is once after the other.
    let body = || Some(json!({ "date": "2026-03-01" }));
    let (one, two) = tokio::join!(
        ask(&house, Method::POST, AGGREGATE, &admin, body()),
        ask(&house, Method::POST, AGGREGATE, &admin, body())
    );
    assert_eq!((one.0, two.0), (200, 200));
    assert_eq!(visits().await, 1);
}

#[tokio::test]
async fn an_aggregation_is_refused_to_others_and_for_what_is_no_day() {
    let house = house().await;
    let (_, admin) = house.account(Role::Admin).await;
    let (_, user) = house.account(Role::User).await;
    for (key, body, status, code) in [
        (&user, json!({}), 403, "FORBIDDEN"),
        (&"tt_nobody".to_owned(), json!({}), 401, "UNAUTHORIZED"),
        (&admin, json!({ "date": "yesterday" }), 400, "INVALID_PAYLOAD"),
        (&admin, json!({ "date": "2026-02-30" }), 400, "INVALID_PAYLOAD"),
        (&admin, json!({ "date": "2026-3-1" }), 400, "INVALID_PAYLOAD"),
        (&admin, json!({ "date": 20_260_301 }), 400, "INVALID_PAYLOAD"),
        (&admin, json!(["2026-03-01"]), 400, "INVALID_PAYLOAD"),
    ] {
        let (got, refused) = ask(&house, Method::POST, AGGREGATE, key, Some(body.clone())).await;
        assert_eq!((got, &refused["error"]["code"]), (status, &json!(code)), "{body}");
    }
}

#[tokio::test]
async fn an_aggregation_waits_for_loaders_for_a_while_and_then_asks_to_come_again() {
    let house = house_of_its_own().await;
    let (_, admin) = house.account(Role::Admin).await;
    epochs::checkpoint(&house.client(), "a loader that is gone", 0, 0, 0).await.unwrap();
    let response = house.ask(Method::POST, AGGREGATE, Some(&admin), None).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}
