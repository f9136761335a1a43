//! `GET /js/tracker.js`: the snippet that pages include.

use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use http::header;
use service::dialect::TinyTrail;
use service::problem;

const TRACKER: &str = include_str!("../../tracker/tracker.js");

pub(super) fn routes() -> Router {
    Router::new()
        .route("/js/tracker.js", get(tracker))
        .layer(middleware::from_fn_with_state(TinyTrail, problem::speak::<TinyTrail>))
}

async fn tracker() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/javascript"),
            (header::CACHE_CONTROL, "public, max-age=86400"),
            // Pages of other origins include it, also those that ask for isolation.
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        TRACKER,
    )
}
