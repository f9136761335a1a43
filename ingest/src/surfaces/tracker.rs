//! `GET /js/tracker.js`: the snippet that pages include.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header;

const TRACKER: &str = include_str!("../../tracker/tracker.js");

pub(super) fn routes() -> Router {
    Router::new().route("/js/tracker.js", get(tracker))
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
