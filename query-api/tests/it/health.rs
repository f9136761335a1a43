//! `GET /health`.

use reqwest::Method;
use serde_json::{Value, json};
use service::config::Rate;

use crate::house::{house, serve};

#[tokio::test]
async fn a_house_with_its_store_is_well() {
    let house = house().await;
    let response = house.ask(Method::GET, "/health", None, None).await;
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "status": "ok", "db": "connected", "version": env!("CARGO_PKG_VERSION") }));
}

#[tokio::test]
async fn a_house_without_its_store_is_degraded() {
    let house = house().await;
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let away = serve(nowhere, house.directory.clone(), house.clock.clone(), Rate::Off).await;
    let response = away.ask(Method::GET, "/health", None, None).await;
    assert_eq!(response.status(), 503);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "status": "degraded", "db": "disconnected" }));
}
