//! bitcain's analytics, as published: events one by one or in batches, what became of them, and whether it is well.
//!
//! The website is chosen as for Lena. A category, a priority and a batch's `client_id` are kept in the event's
//! properties; an event of the category `page_view`, or of that name, is a page view. The document publishes no limit:
//! requests are counted by key, generously, and a batch is one request.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use chrono::{DateTime, SecondsFormat, Utc};
use directory::{Bearer, Caller};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use service::dialect::Bitcain;
use service::dialect::bitcain::{Detail, unprocessable};
use service::extract::Bounded;
use service::health::Health;
use service::{Problem, problem};

use super::relay::{Carrier, Names, answered_id, named_website, target};
use super::tinytrail::idempotency_key;
use super::unpack::unpacked;
use super::{App, ClientAddress, store_check};
use crate::enrich::redact::Addresses;
use crate::hit::Hit;
use crate::load::LoadConfig;
use crate::{bounds, stats, telemetry};

mod check;

/// What the surface is called where events are counted.
const SURFACE: &str = "bitcain";

/// Where one event goes.
const TRACK: &str = "/api/v1/analytics";

const NAMES: Names = Names { url: "page_url", path: "page_url", referrer: "referrer" };

pub(super) fn routes(app: App) -> Router {
    let health = Arc::new(Health::new(store_check(&app)));
    Router::new()
        .route(TRACK, post(track))
        .route("/api/v1/analytics/batch", post(track_batch))
        .route("/api/v1/analytics/stats", get(count))
        .route("/api/v1/analytics/health", get(move || well(Arc::clone(&health))))
        .layer(middleware::from_fn(around))
        .with_state(app)
}

/// What stands around every answer: counted where a request is one event, and refused in the published form.
async fn around(request: Request, next: Next) -> Response {
    problem::spoken(&Bitcain, request, async |request| {
        if request.uri().path() == TRACK {
            telemetry::count_event(SURFACE, request, async |request| unpacked(request, next).await).await
        } else {
            unpacked(request, next).await
        }
    })
    .await
}

/// A caller with a key, within the key's allowance.
struct Member(Caller);

impl FromRequestParts<App> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Bearer(caller) = Bearer::from_request_parts(parts, app).await?;
        app.bitcain_limit.check(&caller.user.id)?;
        Ok(Self(caller))
    }
}

/// A refusal: all that is wrong with a body at once, or one problem.
enum Refused {
    Details(Vec<Detail>),
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Vec<Detail>> for Refused {
    fn from(details: Vec<Detail>) -> Self {
        Self::Details(details)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Details(details) => unprocessable(&details),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// Stores one event. 200: it is durable, or of a visitor who opted out, which does not show.
async fn track(
    State(app): State<App>,
    Member(caller): Member,
    ClientAddress(address): ClientAddress,
    addresses: Addresses,
    headers: HeaderMap,
    Bounded(body): Bounded<{ bounds::COLLECT_BODY }>,
) -> Result<Response, Refused> {
    let website = target(&caller, app.collector.directory(), &headers)?;
    let now = app.clock.now();
    let mut event = check::event(check::json(&body)?, &["body".into()], now)?;
    event.event_id = idempotency_key(&headers)?;
    let id = answered_id(website.id, event.event_id.as_deref());
    let time = event.time;
    let carrier =
        Carrier { website: &website, received_at: now, address, addresses: &addresses, headers: &headers };
    app.collector.accept(event.into_hit(carrier, &NAMES)?).await?;
    Ok(Json(json!({
        "success": true,
        "event_id": id.to_string(),
        "message": "The event was stored.",
        "timestamp": instant(time),
    }))
    .into_response())
}

/// Stores the good events of a batch. One that is not valid, or that cannot be stored, does no harm to the others; the
/// answer counts it, and its message names the first.
async fn track_batch(
    State(app): State<App>,
    Member(caller): Member,
    ClientAddress(address): ClientAddress,
    addresses: Addresses,
    headers: HeaderMap,
    Bounded(body): Bounded<{ bounds::BATCH_BODY }>,
) -> Result<Response, Refused> {
    let website = target(&caller, app.collector.directory(), &headers)?;
    let now = app.clock.now();
    let check::Batch { events, client_id } = check::batch(check::json(&body)?)?;
    let received = events.len();
    telemetry::received(SURFACE, received as u64);
    let carrier =
        Carrier { website: &website, received_at: now, address, addresses: &addresses, headers: &headers };
    let mut first_refusal = None;
    let mut hits = Vec::with_capacity(received);
    for (at, event) in events.into_iter().enumerate() {
        match hit(event, at, client_id.as_deref(), carrier) {
            Ok(hit) => hits.push(hit),
            Err(why) => {
                telemetry::refused(SURFACE, "invalid");
                first_refusal.get_or_insert(why);
            }
        }
    }
    let mut queued = 0;
    let mut not_stored = None;
    for outcome in app.collector.accept_all(hits).await? {
        match outcome {
            Ok(_) => queued += 1,
            Err(problem) => {
                telemetry::refused(SURFACE, problem.reason());
                not_stored = Some(problem);
            }
        }
    }
    let why = match not_stored {
        // Nothing was stored that could have been: the caller may send it all again.
        Some(problem) if queued == 0 => return Err(problem.into()),
        Some(problem) => Some(problem.to_string()),
        None => first_refusal,
    };
    let message = match why {
        None => "All events were stored.".to_owned(),
        Some(why) => format!("{queued} of {received} events were stored. {why}"),
    };
    Ok(Json(json!({
        "success": queued == received,
        "events_received": received,
        "events_queued": queued,
        "events_failed": received - queued,
        "message": message,
        "timestamp": instant(now),
    }))
    .into_response())
}

/// One event of a batch, or why it is none.
fn hit(event: Value, at: usize, client_id: Option<&str>, carrier: Carrier<'_>) -> Result<Hit, String> {
    let tell = |detail: &Detail| format!("events[{at}]: {}", check::told(detail));
    let place = ["body".into(), "events".into(), at.into()];
    let mut event = check::event(event, &place, carrier.received_at)
        .map_err(|details| details.first().map(tell).unwrap_or_default())?;
    if let Some(client) = client_id {
        event.properties.insert("client_id".to_owned(), client.into());
    }
    event.into_hit(carrier, &NAMES).map_err(|problem| format!("events[{at}]: {problem}"))
}

/// What is stored of the caller's websites, or of the one that is named, and what the stream holds.
async fn count(
    State(app): State<App>,
    Member(caller): Member,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let directory = app.collector.directory();
    let websites = match named_website(&caller, directory, &headers)? {
        Some(website) => vec![website],
        None => caller.own_websites(directory),
    };
    let totals =
        stats::totals(&app.store, &websites, app.clock.now()).await.map_err(|error| away(error.into()))?;
    let passage = stats::passage(&**app.collector.stream()).await.map_err(|error| away(error.into()))?;
    let load = LoadConfig::default();
    Ok(Json(json!({
        "total_events": totals.total,
        "events_by_category": totals.by_category,
        "events_today": totals.today,
        "events_this_hour": totals.this_hour,
        "buffer_status": {
            // The next batch of the loader: as much of what waits as one takes.
            "buffer_size": passage.pending.min(load.batch_rows as u64),
            "max_buffer_size": load.batch_rows,
            "flush_interval_seconds": load.linger.as_secs_f64(),
            // The newest stored event was flushed at most an interval after it came.
            "last_flush": totals.newest.map(instant),
            "events_pending": passage.pending,
            "events_flushed_total": passage.flushed,
        },
    }))
    .into_response())
}

fn away(cause: problem::Cause) -> Problem {
    Problem::Unavailable { retry_after: 5, cause: Some(cause) }
}

/// The published answer is an empty object, without a key. 503: the store is away.
async fn well(health: Arc<Health>) -> Response {
    if health.is_connected().await {
        (StatusCode::OK, Json(json!({}))).into_response()
    } else {
        Problem::Unavailable { retry_after: 5, cause: None }.into_response()
    }
}

/// An instant as the document writes it.
fn instant(millis: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
