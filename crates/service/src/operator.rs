//! The operator's port: for Prometheus and for whatever watches over the process. It is no published surface: keep it
//! where only operators reach it.
//!
//! * `/metrics`: what is counted ([`crate::metrics`]),
//! * `/health`: 200 while the process runs,
//! * `/ready`: 200 when it can do its work; else 503 with the names of what is missing.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::config::{self, ConfigError};
use crate::health::{Check, Health};
use crate::serve::{ServeOptions, serve_with};
use crate::stop::Stop;

/// The variable that names the port's address.
const VARIABLE: &str = "FOOTFALL_OPERATOR";

/// How often the recorder tidies up: what histograms were told is kept one by one until then.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Sets gauges that are only known when somebody asks. Called at every look at `/metrics`; must not wait.
pub type Probe = Arc<dyn Fn() + Send + Sync>;

/// Something without which the process cannot do its work.
pub struct Need {
    name: &'static str,
    health: Health,
}

impl Need {
    /// Asked at most once a second; a check that takes longer than two seconds has failed.
    pub fn new(name: &'static str, check: Check) -> Self {
        Self { name, health: Health::new(check) }
    }
}

/// The operator's port, until it is dropped. Without `FOOTFALL_OPERATOR` it is closed and does nothing.
pub struct Operator {
    desk: Arc<Desk>,
    address: Option<SocketAddr>,
    end: Stop,
    serving: Option<JoinHandle<std::io::Result<()>>>,
}

/// What the port's handlers look at.
struct Desk {
    recorder: Option<PrometheusHandle>,
    stop: Stop,
    watched: OnceLock<(Vec<Need>, Vec<Probe>)>,
}

impl Operator {
    /// Opens the port that `FOOTFALL_OPERATOR` names (`127.0.0.1:9100`), if it names one, and begins to count. Until
    /// [`Operator::watch`] is called the process is not ready; from `stop` on it is not ready again.
    pub async fn from_env(stop: &Stop) -> Result<Self, ConfigError> {
        match config::read_as::<SocketAddr>(VARIABLE, "an address and a port such as 127.0.0.1:9100")? {
            None => Ok(Self::closed(stop)),
            Some(address) => Self::open(address, stop).await.map_err(|error| ConfigError {
                name: VARIABLE,
                reason: format!("the address cannot be listened on: {error}"),
            }),
        }
    }

    /// No port, nothing counted.
    pub fn closed(stop: &Stop) -> Self {
        Self { desk: Desk::new(None, stop), address: None, end: Stop::new(), serving: None }
    }

    /// Opens the port, and installs the process's recorder.
    pub async fn open(address: SocketAddr, stop: &Stop) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = Some(listener.local_addr()?);
        let desk = Desk::new(crate::metrics::install(), stop);
        let end = Stop::new();
        let server = serve_with(router(Arc::clone(&desk)), listener, end.clone(), ServeOptions::default());
        let operator = Self { desk, address, end, serving: Some(tokio::spawn(server)) };
        if let Some(recorder) = operator.desk.recorder.clone() {
            let end = operator.end.clone();
            tokio::spawn(async move {
                loop {
                    tokio::select! {
                        () = end.cancelled() => return,
                        () = tokio::time::sleep(UPKEEP_EVERY) => recorder.run_upkeep(),
                    }
                }
            });
        }
        tracing::info!(?address, "The operator's port is open.");
        Ok(operator)
    }

    /// Whether there is a port; what is only measured for it may be left out without one.
    pub fn is_open(&self) -> bool {
        self.address.is_some()
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Names what readiness hangs on: the start is over. Later calls change nothing.
    pub fn watch(&self, needs: Vec<Need>, probes: Vec<Probe>) {
        let _ = self.desk.watched.set((needs, probes));
    }
}

impl Operator {
    /// Closes the port and lets go of everything that it watched: a store that stops waits for its connections.
    pub async fn close(mut self) {
        self.end.cancel();
        if let Some(serving) = self.serving.take() {
            // It ends with the requests in flight; how does not matter any more.
            let _ = serving.await;
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Desk {
    fn new(recorder: Option<PrometheusHandle>, stop: &Stop) -> Arc<Self> {
        Arc::new(Self { recorder, stop: stop.clone(), watched: OnceLock::new() })
    }

    async fn missing(&self) -> Vec<&'static str> {
        let Some((needs, _)) = self.watched.get() else { return vec!["start"] };
        // All at once: each may take its two seconds.
        let asked = needs.iter().map(async |need| (!need.health.is_connected().await).then_some(need.name));
        let mut missing: Vec<_> = futures::future::join_all(asked).await.into_iter().flatten().collect();
        if self.stop.is_cancelled() {
            missing.push("shutting down");
        }
        missing
    }
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(async || Json(json!({ "status": "alive" }))))
        .route("/ready", get(ready))
        .with_state(desk)
}

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    for probe in desk.watched.get().map(|(_, probes)| probes.as_slice()).unwrap_or_default() {
        probe();
    }
    let Some(recorder) = &desk.recorder else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Another recorder counts in this process.\n")
            .into_response();
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()).into_response()
}

async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    let missing = desk.missing().await;
    if missing.is_empty() {
        Json(json!({ "status": "ready" })).into_response()
    } else {
        let body = json!({ "status": "not ready", "missing": missing });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
    }
}
