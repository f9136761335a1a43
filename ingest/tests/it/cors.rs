//! Browsers on other people's pages: what they are told, and that `sendBeacon` needs nothing more.

use http::HeaderMap;
use reqwest::Method;
use serde_json::json;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{Person, ann, house, house_with};

const ORIGIN: &str = "https://shop.example";

fn assert_reflected(headers: &HeaderMap, origin: &str) {
    assert_eq!(headers["access-control-allow-origin"], origin);
    assert_eq!(headers["access-control-allow-credentials"], "true");
    let vary: Vec<_> = headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(vary, ["Origin"]);
}

#[tokio::test]
async fn a_preflight_has_the_published_headers() {
    let house = house().await;
    let request = house
        .request(Method::OPTIONS, "/api/v1/collect")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_reflected(response.headers(), ORIGIN);
    assert_eq!(response.headers()["access-control-allow-methods"], "POST, OPTIONS");
    assert_eq!(response.headers()["access-control-allow-headers"], "Content-Type");
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn an_options_request_of_no_page_has_them_too() {
    let house = house().await;
    let response = house.request(Method::OPTIONS, "/api/v1/collect").send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_reflected(response.headers(), "*");
    assert_eq!(response.headers()["access-control-allow-methods"], "POST, OPTIONS");
}

#[tokio::test]
async fn every_answer_reflects_the_origin() {
    let house = house_with(Rate::per_seconds(3, 3600)).await;
    let site = house.site().await;
    let bot = Person { agent: "curl/8.5.0", ..ann() };
    let unknown = site.view_with(json!({ "website_id": Uuid::new_v4() }));
    for (person, body, status) in [
        (ann(), site.view("/").to_string(), 202),
        (ann(), unknown.to_string(), 204),
        (bot, site.view("/").to_string(), 204),
        (ann(), "{".to_owned(), 400),
        (ann(), "x".repeat(70_000), 413),
        (ann(), site.view("/").to_string(), 202),
        (ann(), site.view("/").to_string(), 429),
    ] {
        let response = house.collect(&person, body).header("origin", ORIGIN).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_reflected(response.headers(), ORIGIN);
        if status == 429 {
            assert_eq!(response.headers()["access-control-expose-headers"], "Retry-After");
        }
    }
    // A sandboxed page.
    let response = house.collect(&ann(), "{").header("origin", "null").send().await.unwrap();
    assert_reflected(response.headers(), "null");
}

#[tokio::test]
async fn the_type_of_the_content_is_not_asked() {
    let house = house().await;
    let site = house.site().await;
    // `sendBeacon` sends text/plain, without a preflight.
    for content_type in ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "nonsense"] {
        let request = house
            .request(Method::POST, "/api/v1/collect")
            .header("content-type", content_type)
            .header("user-agent", ann().agent)
            .header("x-forwarded-for", ann().address);
        let response = request.body(site.view("/").to_string()).send().await.unwrap();
        assert_eq!(response.status(), 202, "{content_type}");
    }
    assert_eq!(site.rows().await.len(), 3);
}
