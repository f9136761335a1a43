//! What the server's own log says of answers: one thing is asked at a time, so what the server began between two moments
//! belongs to what was asked between them.

use std::time::{Duration, SystemTime};

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::Asked;

/// Something that was asked, and when.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What.
    pub asked: Asked,
    /// In which round.
    pub round: usize,
    /// Of which database.
    pub database: String,
    /// Microseconds since 1970.
    pub began: i64,
    /// Microseconds since 1970.
    pub ended: i64,
}

/// What an answer took.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// In which round.
    pub round: usize,
    /// Milliseconds until the caller had all of it.
    pub whole: f64,
    /// Milliseconds from the beginning of its first query to the end of its last one, by the server's log.
    pub server: f64,
    /// Milliseconds of processor time of its queries.
    pub cpu: f64,
    /// Its queries.
    pub queries: usize,
    /// Rows that they read.
    pub rows: u64,
    /// Bytes that they read, after decompression.
    pub bytes: u64,
}

#[derive(Row, Deserialize)]
struct Answered {
    began: i64,
    ended: i64,
    cpu: u64,
    rows: u64,
    bytes: u64,
}

/// Microseconds since 1970: the server's clock is this machine's.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

/// What each of some answers took, all of one database, in the order in which they were asked for.
pub async fn samples(client: &Client, database: &str, asks: &[Ask]) -> anyhow::Result<Vec<(Asked, Sample)>> {
    let Some(first) = asks.first() else { return Ok(Vec::new()) };
    client.query("SYSTEM FLUSH LOGS").execute().await?;
    let log = client
        .query(include_str!("log.sql"))
        .param("database", database)
        .param("since", first.began)
        .fetch_all::<Answered>()
        .await?;
    let mut samples = Vec::with_capacity(asks.len());
    for ask in asks {
        let from = log.partition_point(|answered| answered.began < ask.began);
        let upto = log.partition_point(|answered| answered.began <= ask.ended);
        let own = &log[from..upto];
        anyhow::ensure!(!own.is_empty(), "the server's log does not have {:?}", ask.asked);
        let began = own.iter().map(|answered| answered.began).min().unwrap_or_default();
        let ended = own.iter().map(|answered| answered.ended).max().unwrap_or_default();
        let sum = |of: fn(&Answered) -> u64| own.iter().map(of).sum::<u64>();
        let sample = Sample {
            round: ask.round,
            whole: millis(ask.ended - ask.began),
            server: millis(ended - began),
            cpu: millis(sum(|answered| answered.cpu) as i64),
            queries: own.len(),
            rows: sum(|answered| answered.rows),
            bytes: sum(|answered| answered.bytes),
        };
        samples.push((ask.asked, sample));
    }
    Ok(samples)
}

fn millis(micros: i64) -> f64 {
    Duration::from_micros(micros.max(0) as u64).as_secs_f64() * 1000.0
}
