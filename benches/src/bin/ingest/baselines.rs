//! What the collector is compared with: two bounds that no collector on this stack can beat, and the design that one would
//! write first.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use woothee::parser::Parser;

/// What a process of this program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Baseline {
    /// Answers 202 without reading the body.
    Answer,
    /// Puts the body into the producer's queue as it came, and answers at once: nothing is durable.
    Forget,
    /// Puts the body into the producer's queue as it came, and answers when it is delivered.
    Forward,
    /// Parses, enriches, writes JSON, and answers when it is delivered.
    Plain,
}

struct Shared {
    producer: FutureProducer,
    topic: String,
    agents: Parser,
}

/// Serves until it is killed.
pub async fn serve(what: Baseline, port: u16, brokers: &str, topic: String) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("acks", "all");
    if what == Baseline::Plain {
        config.set("linger.ms", "20");
    } else {
        // As the collector's own.
        config.set("enable.idempotence", "true").set("compression.type", "lz4").set("linger.ms", "3");
    }
    let producer = config.create().context("there is no producer")?;
    let shared = Arc::new(Shared { producer, topic, agents: Parser::new() });
    let route = match what {
        Baseline::Answer => post(async || StatusCode::ACCEPTED),
        Baseline::Forget => post(forget),
        Baseline::Forward => post(forward),
        Baseline::Plain => post(plain),
    };
    let router = Router::new().route("/api/v1/collect", route).with_state(shared);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn forget(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let record = FutureRecord::<(), [u8]>::to(&shared.topic).payload(&body);
    match shared.producer.send_result(record) {
        Ok(_delivery) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn forward(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let record = FutureRecord::<(), [u8]>::to(&shared.topic).payload(&body);
    match shared.producer.send(record, Duration::ZERO).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The event as one would write it first: JSON in, looked at, JSON out.
async fn plain(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(mut event): Json<Value>,
) -> StatusCode {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = |event: &Value, name| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let website = text(&event, "website_id");
    let (Ok(_), Ok(url)) = (uuid::Uuid::parse_str(&website), url::Url::parse(&text(&event, "url"))) else {
        return StatusCode::BAD_REQUEST;
    };
    let address = header("x-forwarded-for").split(',').next().unwrap_or_default().trim().to_owned();
    let user_agent = header("user-agent").to_owned();
    let agent = shared.agents.parse(&user_agent).unwrap_or_default();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&[7; 16]) else {
        return StatusCode::INTERNAL_SERVER_ERROR;
    };
    for part in [address.as_str(), &user_agent, &website] {
        mac.update(part.as_bytes());
    }
    let hash: [u8; 32] = mac.finalize().into_bytes().into();
    let visitor = format!("{:016x}", service::secrets::first_64_bits(&hash));
    let language = header("accept-language").split([',', '-']).next().unwrap_or_default().to_owned();
    let referrer = url::Url::parse(&text(&event, "referrer")).ok();
    event["hostname"] = url.host_str().into();
    event["referrer_host"] = referrer.as_ref().and_then(url::Url::host_str).into();
    for (name, value) in url.query_pairs().filter(|(name, _)| name.starts_with("utm_")) {
        event[&*name] = value.into_owned().into();
    }
    event["browser"] = agent.name.into();
    event["os"] = agent.os.into();
    event["device"] = agent.category.into();
    event["is_bot"] = (agent.category == "crawler").into();
    event["language"] = language.into();
    event["visitor_id"] = visitor.as_str().into();
    event["received_at"] = service::Clock::system().now().into();
    let body = event.to_string();
    let record = FutureRecord::to(&shared.topic).key(&visitor).payload(&body);
    match shared.producer.send(record, Duration::ZERO).await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
