//! `GET /health`: for load balancers. Asks the store, at most once a second however many ask us.
//!
//! The published form, without the envelope of the surfaces: 200 with `ok`, or 503 with `degraded`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use http::{StatusCode, header};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long the store may take to say that it lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long its word is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// Asks the store, or something else that is needed, whether it lives.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// A check whose word is believed for a moment.
pub struct Health {
    check: Check,
    /// When the store was asked last, and whether it answered. Whoever asks holds the lock; the others get its answer.
    last: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Asks with this check.
    pub fn new(check: Check) -> Self {
        Self { check, last: Mutex::new(None) }
    }

    /// Whether the answer was yes; asked at most once a second, and given two seconds.
    pub async fn is_connected(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((at, connected)) = *last
            && at.elapsed() < BELIEVED
        {
            return connected;
        }
        let connected = timeout(PATIENCE, (self.check)()).await.unwrap_or(false);
        *last = Some((Instant::now(), connected));
        connected
    }
}

/// The route. It needs no key and has no limit.
pub fn router(check: Check) -> Router {
    let health = Arc::new(Health::new(check));
    Router::new().route("/health", get(answer)).with_state(health)
}

#[derive(Serialize)]
struct HealthView {
    status: &'static str,
    db: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
}

async fn answer(State(health): State<Arc<Health>>) -> Response {
    let (status, view) = if health.is_connected().await {
        let version = Some(env!("CARGO_PKG_VERSION"));
        (StatusCode::OK, HealthView { status: "ok", db: "connected", version })
    } else {
        let view = HealthView { status: "degraded", db: "disconnected", version: None };
        (StatusCode::SERVICE_UNAVAILABLE, view)
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}
