//! TinyTrail's routes, on one page.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use directory::Caller;
use http::{HeaderValue, Uri, header};
use service::dialect::{TinyTrail, unknown_route};
use service::{Problem, problem};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::surfaces::tinytrail::{Api, accounts, admin, erase, openapi, reports, users, websites};

/// All routes, and the answer for a path that is none.
pub(super) fn router(api: Api) -> Router {
    Router::new()
        .route("/api/v1/accounts", get(accounts::list).post(accounts::create))
        .route("/api/v1/users", get(users::list).post(users::create))
        .route("/api/v1/users/{id}", delete(users::delete))
        .route("/api/v1/users/{id}/api-key", get(users::reveal))
        .route("/api/v1/websites/{id}", get(websites::get).patch(websites::update))
        .route("/api/v1/websites", get(websites::list).post(websites::create))
        .route("/api/v1/admin/aggregate", post(admin::aggregate))
        .route("/api/v1/accounts/{id}", delete(erase::account))
        .route("/api/v1/websites/{id}", delete(erase::website))
        .route("/api/v1/websites/{id}/erasures", post(erase::visitor))
        .route("/api/v1/websites/{id}/erasures/{erasure}", get(erase::state))
        .route("/api/v1/websites/{id}/keys", post(websites::add_key))
        .route("/api/v1/reports/summary", get(reports::summary))
        .route("/api/v1/reports/pages", get(reports::pages))
        .route("/api/v1/reports/sources", get(reports::sources))
        .route("/api/v1/reports/devices", get(reports::devices))
        .route("/api/v1/reports/flow", get(reports::flow))
        .route("/api/v1/reports/funnel", get(reports::funnel))
        .route("/api/v1/reports/realtime", get(reports::realtime))
        .route("/api/v1/reports/custom-events", get(reports::custom_events))
        .route("/api/v1/reports/timeseries", get(reports::timeseries))
        .route_layer(from_fn_with_state(api.clone(), protect))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/docs", get(openapi::page))
        .route("/api/docs/page.js", get(openapi::script))
        .fallback(async |uri: Uri| unknown_route(&uri))
        // The key is in a header that caches do not know to be one.
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(from_fn_with_state(TinyTrail, problem::speak::<TinyTrail>))
        .with_state(api)
}

/// Every route needs a key, and every key has its allowance.
async fn protect(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    // A user has one key, and it may be replaced; the allowance stays the user's.
    api.limiter.check(&caller.user.id)?;
    Ok(next.run(request).await)
}
