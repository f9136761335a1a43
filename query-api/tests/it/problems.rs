//! Every row of the error table, on every route.

use directory::Role;
use reqwest::{Method, Response};
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::config::Rate;
use uuid::Uuid;

use crate::house::{House, house, house_with, serve, store};

const ROUTES: [(Method, &str); 16] = [
    (Method::DELETE, "/api/v1/accounts/00000000-0000-4000-8000-000000000009"),
    (Method::DELETE, "/api/v1/websites/00000000-0000-4000-8000-000000000009"),
    (Method::POST, "/api/v1/websites/00000000-0000-4000-8000-000000000009/erasures"),
    (Method::GET, "/api/v1/websites/a/erasures/b"),
    (Method::POST, "/api/v1/admin/aggregate"),
    (Method::GET, "/api/v1/websites"),
    (Method::POST, "/api/v1/websites"),
    (Method::GET, "/api/v1/reports/summary"),
    (Method::GET, "/api/v1/reports/pages"),
    (Method::GET, "/api/v1/reports/sources"),
    (Method::GET, "/api/v1/reports/devices"),
    (Method::GET, "/api/v1/reports/flow"),
    (Method::GET, "/api/v1/reports/funnel"),
    (Method::GET, "/api/v1/reports/realtime"),
    (Method::GET, "/api/v1/reports/custom-events"),
    (Method::GET, "/api/v1/reports/timeseries"),
];

/// The reports that need nothing but a website.
const REPORTS: [&str; 8] =
    ["summary", "pages", "sources", "devices", "flow", "realtime", "custom-events", "timeseries"];

/// Checks the published shape of a problem, and gives its message.
async fn problem(response: Response, status: u16, code: &str) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(body, json!({ "status": "error", "error": { "code": code, "message": message } }));
    assert!(!message.is_empty());
    message
}

async fn unknown_key(house: &House) -> [Option<String>; 4] {
    let (_, key) = house.account(Role::User).await;
    [None, Some(String::new()), Some("tt_nobody".into()), Some(key.to_uppercase())]
}

#[tokio::test]
async fn without_a_good_key_nothing_is_told() {
    let house = house().await;
    for (method, path) in ROUTES {
        for key in unknown_key(&house).await {
            let response = house.ask(method.clone(), path, key.as_deref(), Some("{".into())).await;
            problem(response, 401, "UNAUTHORIZED").await;
        }
    }
}

#[tokio::test]
async fn a_bad_parameter_is_refused_by_name() {
    let house = house().await;
    let site = house.site().await;
    for report in REPORTS {
        for (query, name) in [
            ("period=8d", "period"),
            ("start_date=2026-13-01", "start_date"),
            ("start_date=2026-03-01&end_date=soon", "end_date"),
            ("end_date=2026-03-01", "start_date"),
            ("start_date=2026-03-02&end_date=2026-03-01", "start_date"),
            ("start_date=2026-03-03", "start_date"),
            ("start_date=2001-01-01&end_date=2026-03-01", "start_date"),
            ("compare=last", "compare"),
            ("include_bots=yes", "include_bots"),
            ("page=0", "page"),
            ("per_page=0", "per_page"),
            ("per_page=501", "per_page"),
            ("format=xml", "format"),
            ("content_group=", "content_group"),
            ("page=1&page=2", "page"),
            ("website_id=7", "website_id"),
        ] {
            let message = problem(site.get(&format!("{report}?{query}")).await, 400, "INVALID_PAYLOAD").await;
            assert!(message.contains(name), "{query}: {message}");
        }
        let path = format!("/api/v1/reports/{report}");
        let response = house.ask(Method::GET, &path, Some(&site.key), None).await;
        assert_eq!(problem(response, 400, "INVALID_PAYLOAD").await, "website_id is required.");
    }
}

#[tokio::test]
async fn another_accounts_website_is_as_absent_as_one_that_is_not_there() {
    let house = house().await;
    let (mine, theirs) = (house.site().await, house.site().await);
    let (_, admin) = house.account(Role::Admin).await;
    for report in REPORTS {
        let ask = async |id: Uuid, key: &str| {
            let path = format!("/api/v1/reports/{report}?website_id={id}");
            house.ask(Method::GET, &path, Some(key), None).await
        };
        let foreign = ask(theirs.id, &mine.key).await;
        let missing = ask(Uuid::new_v4(), &mine.key).await;
        assert_eq!((foreign.status(), missing.status()), (404.try_into().unwrap(), 404.try_into().unwrap()));
        let headers = |response: &Response| {
            let mut headers = response.headers().clone();
            headers.remove("date");
            headers
        };
        assert_eq!(headers(&foreign), headers(&missing));
        assert_eq!(foreign.text().await.unwrap(), missing.text().await.unwrap());
        problem(ask(Uuid::new_v4(), &admin).await, 404, "NOT_FOUND").await;
        assert_eq!(ask(theirs.id, &admin).await.status(), 200);
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_speak_the_same_dialect() {
    let house = house().await;
    let (_, key) = house.account(Role::User).await;
    for path in ["/", "/api/v1", "/api/v1/reports", "/api/v1/reports/summary/", "/api/v2/websites", "/%FF"] {
        problem(house.ask(Method::GET, path, Some(&key), None).await, 404, "NOT_FOUND").await;
    }
    for (method, path) in [
        (Method::POST, "/api/v1/reports/summary"),
        (Method::DELETE, "/api/v1/websites"),
        (Method::OPTIONS, "/api/v1/reports/pages"),
    ] {
        let response = house.ask(method, path, Some(&key), None).await;
        assert!(response.headers()["allow"].to_str().unwrap().contains("GET"));
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        problem(response, 405, "NOT_FOUND").await;
    }
}

#[tokio::test]
async fn every_key_has_its_own_allowance() {
    let house = house_with(store().await, Rate::per_seconds(2, 3600)).await;
    let (_, ann) = house.account(Role::User).await;
    let (_, bob) = house.account(Role::User).await;
    let ask = async |key: &str, path: &str| house.ask(Method::GET, path, Some(key), None).await;
    assert_eq!(ask(&ann, "/api/v1/websites").await.status(), 200);
    assert_eq!(ask(&ann, "/api/v1/reports/summary").await.status(), 400);
    let refused = ask(&ann, "/api/v1/websites").await;
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");
    problem(refused, 429, "RATE_LIMITED").await;
    assert_eq!(ask(&bob, "/api/v1/websites").await.status(), 200);
    // What needs no key has no allowance.
    assert_eq!(ask(&ann, "/health").await.status(), 200);
    problem(ask(&ann, "/nowhere").await, 404, "NOT_FOUND").await;
}

#[tokio::test]
async fn a_store_that_is_away_is_our_problem_and_passes() {
    let house = house().await;
    let site = house.site().await;
    let nowhere: StoreUrl = "http://me:secret@127.0.0.1:9/gone".parse().unwrap();
    let away = serve(nowhere, house.directory.clone(), house.clock.clone(), Rate::Off).await;
    for report in REPORTS {
        let path = format!("/api/v1/reports/{report}?website_id={}", site.id);
        let response = away.ask(Method::GET, &path, Some(&site.key), None).await;
        assert!(response.headers().contains_key("retry-after"));
        let message = problem(response, 503, "INTERNAL_ERROR").await;
        assert!(!message.contains("127.0.0.1") && !message.contains("secret"), "{message}");
    }
    // The directory is in memory.
    assert_eq!(away.ask(Method::GET, "/api/v1/websites", Some(&site.key), None).await.status(), 200);
}

#[tokio::test]
async fn a_store_without_tables_is_our_fault_and_nothing_leaks() {
    let house = house().await;
    let site = house.site().await;
    let empty = house.store.clone().with_database("default");
    let broken = serve(empty, house.directory.clone(), house.clock.clone(), Rate::Off).await;
    let path = format!("/api/v1/reports/pages?website_id={}", site.id);
    let response = broken.ask(Method::GET, &path, Some(&site.key), None).await;
    let message = problem(response, 500, "INTERNAL_ERROR").await;
    assert_eq!(message, "Something went wrong on our side.");
}

#[tokio::test]
async fn what_a_report_is_asked_with_is_refused_by_name() {
    let house = house().await;
    let site = house.site().await;
    for (report, name) in [
        ("timeseries?metric=clicks", "metric"),
        ("timeseries?metric=pageviews&metric=visits", "metric"),
        ("timeseries?path=", "path"),
        ("funnel", "steps[]"),
        ("funnel?steps[]=/", "steps[]"),
        ("funnel?steps=/&steps=/a", "steps[]"),
        ("funnel?steps[]=/&steps[]=", "steps[]"),
        ("sources?group_by=country", "group_by"),
        ("custom-events?event_name=", "event_name"),
        ("flow?per_page=501", "per_page"),
        ("sources?page=0", "page"),
        ("devices?timezone=Mars/Olympus", "timezone"),
        ("devices?filters={", "filters"),
        ("devices?filters={\"dimension\":\"person\",\"operator\":\"is\",\"value\":\"1\"}", "filters"),
    ] {
        let message = problem(site.get(report).await, 400, "INVALID_PAYLOAD").await;
        assert!(message.contains(name), "{report}: {message}");
    }
}
