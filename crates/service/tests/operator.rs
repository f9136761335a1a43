//! The operator's port, asked like by Prometheus.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::routing::get;
use axum::{Router, middleware};
use service::dialect::TinyTrail;
use service::operator::{Need, Operator};
use service::{Problem, Stop, problem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANYWHERE: &str = "127.0.0.1:0";

async fn get_from(address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn open(stop: &Stop) -> Operator {
    Operator::open(ANYWHERE.parse().unwrap(), stop).await.unwrap()
}

fn need(name: &'static str, is_there: &Arc<AtomicBool>) -> Need {
    let is_there = Arc::clone(is_there);
    Need::new(
        name,
        Arc::new(move || {
            let is_there = is_there.load(Ordering::SeqCst);
            Box::pin(async move { is_there })
        }),
    )
}

#[tokio::test]
async fn a_process_is_alive_at_once_and_ready_when_nothing_is_missing() {
    let stop = Stop::new();
    let operator = open(&stop).await;
    let address = operator.address().unwrap();
    assert!(get_from(address, "/health").await.starts_with("HTTP/1.1 200"));
    let starting = get_from(address, "/ready").await;
    assert!(starting.starts_with("HTTP/1.1 503") && starting.contains(r#"["start"]"#), "{starting}");

    operator.watch(vec![need("store", &Arc::new(AtomicBool::new(true)))], Vec::new());
    let ready = get_from(address, "/ready").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with(r#"{"status":"ready"}"#), "{ready}");

    stop.cancel();
    let ending = get_from(address, "/ready").await;
    assert!(ending.starts_with("HTTP/1.1 503") && ending.contains(r#"["shutting down"]"#), "{ending}");
    assert!(get_from(address, "/health").await.starts_with("HTTP/1.1 200"), "it still lives");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let operator = open(&Stop::new()).await;
    let (there, away) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    operator.watch(vec![need("store", &there), need("stream", &away)], Vec::new());
    let answer = get_from(operator.address().unwrap(), "/ready").await;
    assert!(answer.ends_with(r#"{"missing":["stream"],"status":"not ready"}"#), "{answer}");
}

#[tokio::test]
async fn without_an_address_there_is_no_port() {
    let operator = Operator::closed(&Stop::new());
    assert!(!operator.is_open());
    operator.watch(Vec::new(), Vec::new());
}

#[tokio::test]
async fn requests_are_counted_by_route_and_no_path_or_query_is_told() {
    let (operator, _second_house) = (open(&Stop::new()).await, open(&Stop::new()).await);
    let probed = Arc::new(AtomicBool::new(false));
    let probe = Arc::clone(&probed);
    operator.watch(Vec::new(), vec![Arc::new(move || probe.store(true, Ordering::SeqCst))]);

    let router = Router::new()
        .route("/things/{id}", get(async || "a thing"))
        .route("/refused", get(async || Problem::NotFound("Thing")))
        .layer(middleware::from_fn_with_state(TinyTrail, problem::speak::<TinyTrail>));
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(service::serve::serve(router, listener, Stop::new()));
    for path in ["/things/secret-1?key=secret-2", "/things/secret-3", "/secret-4", "/refused"] {
        get_from(address, path).await;
    }

    let metrics = get_from(operator.address().unwrap(), "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    for expected in [
        "# HELP footfall_http_requests_total ",
        "# TYPE footfall_http_request_seconds histogram",
        r#"footfall_http_requests_total{route="/things/{id}",method="GET",status="2xx"} 2"#,
        r#"footfall_http_requests_total{route="unmatched",method="GET",status="4xx"} 1"#,
        r#"footfall_http_requests_total{route="/refused",method="GET",status="4xx"} 1"#,
        r#"footfall_http_problems_total{route="/refused",reason="not_found"} 1"#,
        r#"footfall_http_request_seconds_count{route="/things/{id}"} 2"#,
        "footfall_http_connections ",
    ] {
        assert!(metrics.contains(expected), "{expected} is not in\n{metrics}");
    }
    assert!(!metrics.contains("secret"), "{metrics}");
    assert!(!metrics.contains("127.0.0.1"), "{metrics}");
    assert!(probed.load(Ordering::SeqCst));
}
