//! `GET /api/openapi.json` and the page that shows it.

use std::collections::BTreeSet;

use directory::Role;
use reqwest::Method;

use crate::document::{Document, routes};
use crate::house::house;

/// What the way in answers; in one process with it, or behind the same host.
const OF_THE_WAY_IN: [(&str, &str); 3] =
    [("POST", "/api/v1/collect"), ("OPTIONS", "/api/v1/collect"), ("GET", "/js/tracker.js")];

/// What the published document has.
pub(crate) const PUBLISHED: [(&str, &str); 25] = [
    ("GET", "/health"),
    ("OPTIONS", "/api/v1/collect"),
    ("POST", "/api/v1/collect"),
    ("GET", "/api/v1/accounts"),
    ("POST", "/api/v1/accounts"),
    ("DELETE", "/api/v1/accounts/{id}"),
    ("GET", "/api/v1/users"),
    ("POST", "/api/v1/users"),
    ("GET", "/api/v1/users/{id}/api-key"),
    ("DELETE", "/api/v1/users/{id}"),
    ("GET", "/api/v1/websites"),
    ("POST", "/api/v1/websites"),
    ("PATCH", "/api/v1/websites/{id}"),
    ("DELETE", "/api/v1/websites/{id}"),
    ("POST", "/api/v1/admin/aggregate"),
    ("GET", "/api/v1/reports/summary"),
    ("GET", "/api/v1/reports/pages"),
    ("GET", "/api/v1/reports/sources"),
    ("GET", "/api/v1/reports/devices"),
    ("GET", "/api/v1/reports/flow"),
    ("GET", "/api/v1/reports/funnel"),
    ("GET", "/api/v1/reports/realtime"),
    ("GET", "/api/v1/reports/custom-events"),
    ("GET", "/api/v1/reports/timeseries"),
    ("GET", "/js/tracker.js"),
];

fn owned(routes: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    routes.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect()
}

#[tokio::test]
async fn the_document_is_the_committed_one() {
    let house = house().await;
    let document = Document::read(&house).await;
    assert_eq!(document.0["openapi"], "3.1.0");
    insta::assert_snapshot!(serde_json::to_string_pretty(&document.0).unwrap());
}

#[tokio::test]
async fn the_document_and_the_router_have_the_same_routes() {
    let house = house().await;
    let (_, admin) = house.account(Role::Admin).await;
    let documented = Document::read(&house).await.routes();
    let routed = routes(&house, &admin).await;
    let missing: Vec<_> = routed.difference(&documented).collect();
    assert!(missing.is_empty(), "the document does not have {missing:?}");
    let elsewhere: BTreeSet<_> = owned(&OF_THE_WAY_IN);
    let invented: Vec<_> =
        documented.difference(&routed).filter(|route| !elsewhere.contains(route)).collect();
    assert!(invented.is_empty(), "the document has {invented:?}, which nobody answers");
}

#[tokio::test]
async fn every_published_endpoint_is_in_the_document() {
    let documented = Document::read(&house().await).await.routes();
    let missing: Vec<_> = owned(&PUBLISHED).difference(&documented).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn names_of_operations_are_unique_and_references_lead_somewhere() {
    let document = Document::read(&house().await).await;
    let mut names = BTreeSet::new();
    for item in document.0["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
        }
    }
    let text = document.0.to_string();
    for place in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.0.pointer(place).is_some(), "{place}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let house = house().await;
    let page = house.ask(Method::GET, "/api/docs", None, None).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    let html = page.text().await.unwrap();
    let script = house.ask(Method::GET, "/api/docs/page.js", None, None).await;
    assert_eq!(script.status(), 200);
    let script = script.text().await.unwrap();
    assert!(html.contains("src=\"/api/docs/page.js\"") && script.contains("fetch(\"/api/openapi.json\")"));
    for text in [&html, &script] {
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("\"//"));
    }
    assert!(!script.contains("innerHTML"), "texts of the document are never markup");
}
