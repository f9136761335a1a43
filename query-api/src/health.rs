//! `GET /health`: for load balancers. Asks the store, at most once a second however many ask us.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use schema::store::StoreUrl;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long the store may take to say that it lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long its word is believed.
const BELIEVED: Duration = Duration::from_secs(1);

struct Health {
    store: clickhouse::Client,
    /// When the store was asked last, and whether it answered. Whoever asks holds the lock; the others get its answer.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    async fn is_connected(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, connected)) = *last
            && at.elapsed() < BELIEVED
        {
            return connected;
        }
        let asked = timeout(PATIENCE, self.store.query_raw("SELECT 1").fetch_one::<u8>()).await;
        let connected = matches!(asked, Ok(Ok(1)));
        *last = Some((Instant::now(), connected));
        connected
    }
}

/// The route. It needs no key and has no limit.
pub(crate) fn router(store: &StoreUrl) -> Router {
    let health = Arc::new(Health { store: store.client(), last: Mutex::new(None) });
    Router::new().route("/health", get(answer)).with_state(health)
}

async fn answer(State(health): State<Arc<Health>>) -> Response {
    let (status, body) = if health.is_connected().await {
        let body = json!({ "status": "ok", "db": "connected", "version": env!("CARGO_PKG_VERSION") });
        (StatusCode::OK, body)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "degraded", "db": "disconnected" }))
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
