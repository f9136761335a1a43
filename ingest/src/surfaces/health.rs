//! `GET /health`: for load balancers. Without the envelope of the surfaces, as published.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use super::App;

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn routes(app: App) -> Router {
    Router::new().route("/health", get(health)).with_state(app)
}

async fn health(State(app): State<App>) -> Response {
    let asked = tokio::time::timeout(PATIENCE, app.store.query("SELECT 1").fetch_one::<u8>()).await;
    if matches!(asked, Ok(Ok(1))) {
        let body = json!({ "status": "ok", "db": "connected", "version": env!("CARGO_PKG_VERSION") });
        (StatusCode::OK, Json(body)).into_response()
    } else {
        let body = json!({ "status": "degraded", "db": "disconnected" });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
    }
}
