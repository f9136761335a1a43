//! What is counted, for Prometheus. Every name begins with `footfall_`; its unit is part of the name.
//!
//! Nothing is kept until a recorder is installed, which happens when there is an operator port
//! ([`crate::operator`]). Labels come from closed lists: routes as they are declared, methods, status classes, reasons.
//! Nothing that a caller wrote becomes a label.

use std::sync::OnceLock;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::{Method, StatusCode};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds from one millisecond to a minute: an answer from memory, a disk's flush, a large report.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// Rows of a batch, up to the largest one.
const ROWS: [f64; 9] = [1.0, 10.0, 100.0, 1e3, 5e3, 1e4, 2.5e4, 5e4, 1e5];

/// The route of a request that no route takes.
const UNMATCHED: &str = "unmatched";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the process's recorder, once; later calls return the same. `None` when another part of the process has
/// installed a recorder of its own.
pub fn install() -> Option<PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|builder| {
                    builder.set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROWS)
                })
                .ok()?
                .build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            describe();
            Some(handle)
        })
        .clone()
}

fn describe() {
    describe_counter!(
        "footfall_http_requests_total",
        Unit::Count,
        "Requests answered, by route as it is declared, method and status class"
    );
    describe_histogram!(
        "footfall_http_request_seconds",
        Unit::Seconds,
        "Time from a request's head to its answer's head, by route"
    );
    describe_counter!(
        "footfall_http_problems_total",
        Unit::Count,
        "Requests that were not answered as asked, by route and reason"
    );
    describe_gauge!(
        "footfall_http_connections",
        Unit::Count,
        "Connections that are open now, this port's too"
    );
}

/// The router, with every request counted and timed, if anybody records it: without an operator's port nothing is.
pub fn measured(router: Router) -> Router {
    if is_recording() { router.layer(from_fn(measure)) } else { router }
}

/// Whether this process has a recorder.
fn is_recording() -> bool {
    RECORDER.get().is_some_and(Option::is_some)
}

async fn measure(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method(request.method());
    let response = next.run(request).await;
    let route = name(route.as_ref());
    let status = class(response.status());
    counter!("footfall_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    histogram!("footfall_http_request_seconds", "route" => route).record(began.elapsed().as_secs_f64());
    response
}

/// The methods that routes know; others are one.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Counts a problem, where it is written.
pub(crate) fn problem(route: Option<&MatchedPath>, reason: &'static str) {
    counter!("footfall_http_problems_total", "route" => name(route), "reason" => reason).increment(1);
}

/// A route as it is declared.
fn name(route: Option<&MatchedPath>) -> String {
    route.map_or(UNMATCHED, MatchedPath::as_str).to_owned()
}

/// Counted as open until it is dropped.
pub(crate) struct Open(metrics::Gauge);

impl Open {
    pub(crate) fn connection() -> Self {
        let open = gauge!("footfall_http_connections");
        open.increment(1.0);
        Self(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
