//! One server and its clients, good and bad. Times are short here, so that the tests are; nothing is measured.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Router, middleware};
use service::dialect::TinyTrail;
use service::extract::read_body_within;
use service::serve::{ServeOptions, serve_with};
use service::{Problem, Stop, problem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// The time that a test is about.
const SHORT: Duration = Duration::from_millis(150);

/// All times so long that a test would not see their end.
fn patient() -> ServeOptions {
    let long = PATIENCE * 10;
    ServeOptions { head: long, idle: long, stall: long, drain: long, ..ServeOptions::default() }
}

struct Server {
    address: SocketAddr,
    stop: Stop,
    serving: JoinHandle<std::io::Result<()>>,
    /// Told when `/slow` has begun.
    begun: Arc<Notify>,
    /// Lets `/slow` go on.
    go_on: Arc<Notify>,
}

async fn start(options: ServeOptions) -> Server {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
        async move || {
            begun.notify_one();
            go_on.notified().await;
            "slowly"
        }
    };
    let router = Router::new()
        .route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()))
        .route("/slow", get(slow))
        .route("/never", get(pending::<&'static str>))
        .route("/endless", get(async || Body::from(vec![b'x'; 64 << 20])))
        .route("/echo", post(echo))
        .layer(middleware::from_fn_with_state(TinyTrail, problem::speak::<TinyTrail>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), Stop::new());
    let serving = tokio::spawn(serve_with(router, listener, stop.clone(), options));
    Server { address, stop, serving, begun, go_on }
}

async fn echo(body: Body) -> Result<impl IntoResponse, Problem> {
    read_body_within(body, 1024, SHORT).await
}

impl Server {
    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// What comes until the text ends so.
    async fn until(&mut self, end: &str) -> String {
        let mut got = Vec::new();
        let reading = async {
            while !got.ends_with(end.as_bytes()) {
                let byte = self.0.read_u8().await.expect("more is to come");
                got.push(byte);
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer comes");
        String::from_utf8(got).unwrap()
    }

    /// What comes until the server closes.
    async fn until_closed(&mut self) -> String {
        let mut got = Vec::new();
        // Whether it is closed with or without ceremony is the kernel's affair.
        let _ = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut got)).await.expect("it is closed");
        String::from_utf8(got).unwrap()
    }
}

const PEER: &str = "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request_and_its_peer_is_known() {
    let server = start(patient()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(PEER).await;
        let answer = client.until("127.0.0.1").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-length: 9\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let server = start(ServeOptions { head: SHORT, ..patient() }).await;
    assert_eq!(server.connect().await.until_closed().await, "");
}

#[tokio::test]
async fn a_client_that_sends_half_a_head_is_closed() {
    let server = start(ServeOptions { head: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send("GET /peer HTTP/1.1\r\nHost").await;
    assert_eq!(client.until_closed().await, "");
}

#[tokio::test]
async fn a_head_that_comes_drop_by_drop_is_not_waited_for() {
    let server = start(ServeOptions { head: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    let dripping = async {
        // Every drop comes well within the time that the whole head has.
        while client.0.write_all(b"a").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.expect("it is closed");
}

#[tokio::test]
async fn the_second_heads_time_begins_with_its_first_byte() {
    let server = start(ServeOptions { head: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send(PEER).await;
    client.until("127.0.0.1").await;
    // Idle for longer than a head may take.
    tokio::time::sleep(SHORT * 3).await;
    client.send(PEER).await;
    client.until("127.0.0.1").await;
    client.send("GET /pe").await;
    assert_eq!(client.until_closed().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(ServeOptions { idle: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send(PEER).await;
    client.until("127.0.0.1").await;
    assert_eq!(client.until_closed().await, "");
}

#[tokio::test]
async fn a_request_in_flight_is_neither_idle_nor_a_slow_head() {
    let server = start(ServeOptions { head: SHORT, idle: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.begun.notified().await;
    tokio::time::sleep(SHORT * 3).await;
    server.go_on.notify_one();
    client.until("slowly").await;
}

#[tokio::test]
async fn a_slow_body_is_told_so_in_the_surfaces_words_and_closed() {
    let server = start(patient()).await;
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").await;
    let answer = client.until_closed().await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"INVALID_PAYLOAD""#), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_closed() {
    let server = start(ServeOptions { stall: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(SHORT * 4).await;
    let got = client.until_closed().await;
    assert!(got.len() < 64 << 20, "{} bytes came", got.len());
}

#[tokio::test]
async fn a_head_with_too_many_headers_or_bytes_is_refused() {
    let server = start(ServeOptions { headers: 10, head_bytes: 16 * 1024, ..patient() }).await;
    let many = "X-A: b\r\n".repeat(11);
    let long = format!("X-A: {}\r\n", "b".repeat(20_000));
    for headers in [many, long] {
        let mut client = server.connect().await;
        client.send(&format!("GET /peer HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
        let answer = client.until_closed().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn beyond_the_bound_a_connection_waits_until_another_ends() {
    let server = start(ServeOptions { connections: 1, ..patient() }).await;
    let mut first = server.connect().await;
    first.send(PEER).await;
    first.until("127.0.0.1").await;
    let mut second = server.connect().await;
    second.send(PEER).await;
    let early = tokio::time::timeout(SHORT, second.0.readable()).await;
    assert!(early.is_err(), "the second connection was answered beside the first");
    drop(first);
    second.until("127.0.0.1").await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_takes_nothing_new() {
    let server = start(patient()).await;
    let mut idle = server.connect().await;
    idle.send(PEER).await;
    idle.until("127.0.0.1").await;
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.begun.notified().await;

    server.stop.cancel();
    assert_eq!(idle.until_closed().await, "", "an idle connection is closed at once");
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("new connections are refused");
    assert!(!server.serving.is_finished());

    server.go_on.notify_one();
    let answer = client.until_closed().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("slowly"), "{answer}");
    tokio::time::timeout(PATIENCE, server.serving).await.expect("the server ends").unwrap().unwrap();
}

#[tokio::test]
async fn what_is_in_flight_for_too_long_after_a_stop_is_cut_off() {
    let server = start(ServeOptions { drain: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // It has come when a later connection is answered.
    let mut other = server.connect().await;
    other.send(PEER).await;
    other.until("127.0.0.1").await;
    server.stop.cancel();
    tokio::time::timeout(PATIENCE, server.serving).await.expect("the server ends").unwrap().unwrap();
    assert_eq!(client.until_closed().await, "");
}
