//! `GET /health`, and what a collector does while the store is away.

use ingest::surfaces;
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::Stop;
use service::config::Rate;
use tokio::net::TcpListener;

use crate::house::{FIREFOX, ann, assert_refused, house, serve};

#[tokio::test]
async fn a_collector_with_its_store_is_well() {
    let house = house().await;
    let response = house.request(reqwest::Method::GET, "/health").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "status": "ok", "db": "connected", "version": env!("CARGO_PKG_VERSION") }));
}

/// A store at a port that nobody listens on.
async fn nobody() -> StoreUrl {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    StoreUrl::parse(&format!("http://{free}")).unwrap()
}

#[tokio::test]
async fn a_collector_without_its_store_says_so() {
    let house = house().await;
    let base = serve(surfaces::alone(house.app(nobody().await, Rate::Off)), Stop::new()).await;
    let response = reqwest::get(format!("{base}/health")).await.unwrap();
    assert_eq!(response.status(), 503);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "status": "degraded", "db": "disconnected" }));
}

#[tokio::test]
async fn without_the_salt_of_the_day_nothing_is_accepted_and_the_caller_comes_back() {
    let house = house().await;
    let site = house.site().await;
    let base = serve(surfaces::alone(house.app(nobody().await, Rate::Off)), Stop::new()).await;
    let request = reqwest::Client::new()
        .post(format!("{base}/api/v1/collect"))
        .header("user-agent", FIREFOX)
        .header("x-forwarded-for", ann().address)
        .body(site.view("/").to_string());
    let response = request.send().await.unwrap();
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 0);
    assert_refused(response, 503, "INTERNAL_ERROR").await;
    assert_eq!(house.appended().await, 0);
}
