//! TinyTrail's `POST /api/v1/collect` and its preflight, as published.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Router, middleware};
use http::{HeaderMap, StatusCode, header};
use service::client_address::rate_key;
use service::dialect::TinyTrail;
use service::extract::{parse_json, read_body};
use service::{Problem, problem};

use super::unpack::unpacked;
use super::wire::{Context, WireEvent, website_id};
use super::{App, addresses_of, cors};
use crate::collect::Accepted;
use crate::{bounds, telemetry};

/// What the surface is called where events are counted.
const SURFACE: &str = "tinytrail";

pub(super) fn routes(app: App) -> Router {
    Router::new()
        .route("/api/v1/collect", post(collect).options(cors::preflight))
        .layer(middleware::from_fn(around))
        .with_state(app)
}

/// What stands around every answer: counted, refused in the published form, readable for the page that asked.
async fn around(request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = problem::spoken(&TinyTrail, request, async |request| {
        telemetry::count_event(SURFACE, request, async |request| unpacked(request, next).await).await
    })
    .await;
    cors::allow(response.headers_mut(), origin);
    response
}

/// Stores one event. 202: it is durable and counts. 204: there is no such website (nothing is stored), or the event is
/// a bot's or an excluded one (stored, flagged), or of somebody who opted out where that is respected (nothing is stored).
/// Nobody outside can tell these apart.
async fn collect(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    // Taken apart by hand: extractors of headers would copy all of them.
    let (parts, body) = request.into_parts();
    let (address, addresses) = addresses_of(&parts, &app.proxies)?;
    let headers = parts.headers;
    let body = read_body(body, bounds::COLLECT_BODY).await;
    let event = body.and_then(|body| parse_json::<WireEvent>(&body));
    // A request that names no website that exists counts against the address alone, so that names cannot be made up
    // for more requests.
    let named = event.as_ref().ok().and_then(|event| website_id(event.website_id.as_deref()).ok());
    let counted = named.filter(|id| app.collector.website(*id).is_some());
    app.collect_limit.check(&(counted, rate_key(address)))?;
    let mut event = event?;
    if event.event_id.as_deref().is_none_or(str::is_empty) {
        event.event_id = idempotency_key(&headers)?;
    }
    let id = website_id(event.website_id.as_deref())?;
    let Some(website) = app.collector.website(id) else {
        event.check()?;
        telemetry::refused(SURFACE, "unknown_website");
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let hit = event.into_hit(Context::of_request(website, app.clock.now(), address, addresses, &headers))?;
    Ok(match app.collector.accept(hit).await? {
        Accepted::Counted => {
            let headers = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::ACCEPTED, headers, r#"{"status":"accepted"}"#).into_response()
        }
        Accepted::Bot | Accepted::Excluded | Accepted::Dropped => StatusCode::NO_CONTENT.into_response(),
    })
}

/// The `Idempotency-Key` of a request, which is the event's id where the body has none.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| key.len() <= bounds::IDENTIFIER).ok_or_else(|| {
        let message =
            format!("`Idempotency-Key` must have at most {} visible characters.", bounds::IDENTIFIER);
        Problem::field("Idempotency-Key", message)
    })?;
    Ok(Some(key.to_owned()).filter(|key| !key.is_empty()))
}
