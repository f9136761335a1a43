//! Load: requests that were made beforehand, over connections that are kept, each sending its next one when the last is answered.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// How many requests were answered with 2xx. Any other answer is an error of the run.
    pub requests: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// How long each answer took, in order of time.
    pub latencies: Vec<Duration>,
}

impl Answered {
    /// The latency below which this share of answers came, in milliseconds; 0 when there is none.
    pub fn latency_ms(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).map_or(0.0, Duration::as_secs_f64)
            * 1000.0
    }
}

/// Sends requests in turn, over so many connections, for a time. Every request that was begun is answered.
pub async fn send(
    address: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
) -> anyhow::Result<Answered> {
    let next = Cell::new(0_usize);
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let socket = TcpStream::connect(address).await.context("the server takes no connection")?;
        socket.set_nodelay(true)?;
        open.push(socket);
    }
    let began = Instant::now();
    let until = began + time;
    let workers = open.into_iter().map(|socket| work(socket, requests, &next, until));
    let mut answered = Answered::default();
    for worked in futures::future::join_all(workers).await {
        answered.latencies.extend(worked?);
    }
    answered.took = began.elapsed();
    answered.requests = answered.latencies.len() as u64;
    answered.latencies.sort_unstable();
    Ok(answered)
}

async fn work(
    mut socket: TcpStream,
    requests: &[Vec<u8>],
    next: &Cell<usize>,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let began = Instant::now();
        if began >= until {
            return Ok(latencies);
        }
        let request = requests.get(next.get() % requests.len().max(1)).context("there is nothing to send")?;
        next.set(next.get() + 1);
        socket.write_all(request).await?;
        answer(&mut socket, &mut buffer).await?;
        latencies.push(began.elapsed());
    }
}

/// Reads one answer.
async fn answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.clear();
    loop {
        ensure!(socket.read_buf(buffer).await? > 0, "the server closed a connection");
        let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).context("an answer is no text")?;
        if !head.starts_with("HTTP/1.1 2") {
            bail!("the server answered {}", String::from_utf8_lossy(buffer));
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let length = end + 4 + length.unwrap_or(0);
        while buffer.len() < length {
            ensure!(socket.read_buf(buffer).await? > 0, "the server closed a connection");
        }
        return Ok(());
    }
}
