//! Lena's `POST /v1/api/analytics/events`, as published: one event of a server or an app, with a Bearer key.
//!
//! The document lets the key say whose event it is. A key that is bound to a website, or whose account has one, needs
//! nothing more; one of several websites is named by `X-Website-Id`.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, middleware};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service::client_address::rate_key;
use service::dialect::Lena;
use service::extract::{Bounded, parse_json};
use service::{Problem, problem};

use super::relay::{
    Carrier, Names, Relayed, Target, answered_id, event_name, lift_address, lift_number, lift_text,
};
use super::tinytrail::idempotency_key;
use super::unpack::unpacked;
use super::wire::timestamp;
use super::{App, ClientAddress, client_address};
use crate::enrich::redact::Addresses;
use crate::{bounds, telemetry};

const NAMES: Names =
    Names { url: "properties.url", path: "properties.path", referrer: "properties.referrer" };

pub(super) fn routes(app: App) -> Router {
    Router::new()
        .route("/v1/api/analytics/events", post(log))
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// What stands around every answer: limited and counted, and refused in the published form.
async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    problem::spoken(&Lena, request, async |request| {
        telemetry::count_event("lena", request, async |request| limited(&app, request, next).await).await
    })
    .await
}

/// The body as published, and what a caller may add to it.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Body {
    event: Option<String>,
    properties: Option<Map<String, Value>>,
    user_id: Option<String>,
    session_id: Option<String>,
    /// When it happened, if not now.
    timestamp: Option<Value>,
    /// The caller's own id of the event; `Idempotency-Key` does the same.
    event_id: Option<String>,
}

/// Stores one event. 201: it is durable. Whether it counts (a bot, an excluded address) does not show,
/// nor that nothing is stored of a visitor who opted out.
async fn log(
    State(app): State<App>,
    Target(website): Target,
    ClientAddress(address): ClientAddress,
    addresses: Addresses,
    headers: HeaderMap,
    Bounded(body): Bounded<{ bounds::COLLECT_BODY }>,
) -> Result<Response, Problem> {
    let body: Body = parse_json(&body)?;
    let event_id = match body.event_id.filter(|id| !id.is_empty()) {
        None => idempotency_key(&headers)?,
        given => given,
    };
    let answered = answered_id(website.id, event_id.as_deref());
    let now = app.clock.now();
    let mut properties = body.properties.unwrap_or_default();
    let event = Relayed {
        name: event_name(body.event, "event")?,
        url: lift_text(&mut properties, "url", NAMES.url)?,
        path: lift_text(&mut properties, "path", NAMES.path)?,
        referrer: lift_text(&mut properties, "referrer", NAMES.referrer)?,
        screen_width: lift_number(&mut properties, "screen_width", "properties.screen_width")?,
        user_agent: lift_text(&mut properties, "user_agent", "properties.user_agent")?,
        address: lift_address(&mut properties)?,
        user_id: body.user_id,
        session_id: body.session_id,
        event_id,
        time: timestamp(body.timestamp, now)?,
        properties: {
            // Published and checked; no report needs it.
            lift_number(&mut properties, "screen_height", "properties.screen_height")?;
            properties
        },
    };
    let carrier =
        Carrier { website: &website, received_at: now, address, addresses: &addresses, headers: &headers };
    app.collector.accept(event.into_hit(carrier, &NAMES)?).await?;
    let answer = json!({ "success": true, "event_id": format!("evt_{}", answered.simple()) });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// Counts every request of an address, good or not, and tells on every answer what is left. The allowance refills
/// evenly, so `X-RateLimit-Reset` is the second at which it is whole again.
async fn limited(app: &App, request: Request, next: Next) -> Response {
    let address = match client_address(request.extensions(), request.headers(), &app.proxies) {
        Ok(address) => address,
        Err(problem) => return problem.into_response(),
    };
    let (allowance, taken) = app.lena_limit.take(&rate_key(address));
    let mut response = match taken {
        Ok(()) => unpacked(request, next).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(allowance) = allowance {
        let reset = (app.clock.now().max(0) as u64).div_ceil(1000) + allowance.whole_in;
        for (name, value) in [
            ("x-ratelimit-limit", u64::from(allowance.limit)),
            ("x-ratelimit-remaining", u64::from(allowance.remaining)),
            ("x-ratelimit-reset", reset),
        ] {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
    response
}
