//! `POST /api/v1/import?website_id=…`: events of the past, as NDJSON, by the website's owner.
//!
//! The lines take the same way as collected events: enrich → stream → load. The answer comes when every good line is
//! durable, and lists the lines that were refused. With `wait=true` it also waits until everything in the stream is in
//! the store, so that reports show it; a file is sent in many requests and waits once, at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::post;
use axum::{Router, middleware};
use directory::Caller;
use futures::StreamExt as _;
use http::StatusCode;
use serde::Serialize;
use service::dialect::{TinyTrail, success};
use service::{Problem, problem};

use super::App;
use super::unpack::unpacked;
use super::wire::{ImportLine, Refusal, website_id};
use crate::collect::Accepted;
use crate::hit::Hit;
use crate::stream::StreamError;
use crate::{bounds, telemetry};

/// What the import is called where events are counted.
const SURFACE: &str = "import";

/// How long an answer waits for the loader at most; the caller asks again while `loaded` is false.
const WAIT: Duration = Duration::from_secs(30);

/// How often the loader's progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

pub(super) fn routes(app: App) -> Router {
    Router::new().route("/api/v1/import", post(import)).layer(middleware::from_fn(around)).with_state(app)
}

/// What stands around every answer: a file may be compressed, and is refused in the published form.
async fn around(request: Request, next: Next) -> Response {
    problem::spoken(&TinyTrail, request, async |request| unpacked(request, next).await).await
}

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
struct Tally {
    /// Lines read, without empty ones.
    read: u64,
    /// Events stored, also bots and excluded ones, also repeats of an `event_id` (which count once).
    stored: u64,
    /// Of those, held to be bots.
    bots: u64,
    /// Of those, from excluded addresses.
    excluded: u64,
    /// Lines refused, by reason.
    refused: BTreeMap<String, u64>,
    /// The first refused lines of this request, from 1.
    refusals: Vec<RefusedLine>,
    /// True when everything that was in the stream after the last line is in the store. Only with `wait=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded: Option<bool>,
}

#[derive(Debug, Serialize)]
struct RefusedLine {
    line: u64,
    #[serde(flatten)]
    refusal: Refusal,
}

async fn import(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let parameter = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let id = website_id(parameter("website_id").as_deref())?;
    let wait = match parameter("wait").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::field("wait", "`wait` must be true or false.")),
    };
    let website = caller.website(app.collector.directory(), id)?;
    let mut tally = Tally::default();
    let mut lines = Lines::default();
    let mut hits = Vec::new();
    let mut hits_size = 0;
    let mut body = body.into_data_stream();
    let mut size = 0;
    loop {
        let chunk = tokio::time::timeout(bounds::IMPORT_STALL, body.next()).await;
        let chunk = chunk.map_err(|_| Problem::Timeout)?;
        let chunk = chunk.transpose().map_err(|_| Problem::body("The body could not be read."))?;
        let ended = chunk.is_none();
        let chunk = chunk.unwrap_or_default();
        size += chunk.len();
        if size > bounds::IMPORT_BODY {
            // What was good before the bound is stored, and a repeat of it counts once where lines have an `event_id`.
            return Err(Problem::TooLarge { limit: bounds::IMPORT_BODY });
        }
        lines.feed(&chunk, ended);
        while let Some((number, line)) = lines.next() {
            tally.read += 1;
            match ImportLine::parse(&line, &website, app.clock.now()) {
                Ok(hit) => {
                    hits.push(hit);
                    hits_size += line.len();
                }
                Err(problem) => tally.refuse(number, problem),
            }
            if hits.len() >= bounds::IMPORT_CHUNK || hits_size >= bounds::IMPORT_CHUNK_BYTES {
                hits_size = 0;
                append(&app, std::mem::take(&mut hits), &mut tally).await?;
            }
        }
        if ended {
            break;
        }
    }
    append(&app, hits, &mut tally).await?;
    if wait {
        tally.loaded = Some(wait_until_loaded(&app).await?);
    }
    Ok(success(StatusCode::OK, tally))
}

async fn append(app: &App, hits: Vec<Hit>, tally: &mut Tally) -> Result<(), Problem> {
    if hits.is_empty() {
        return Ok(());
    }
    telemetry::received(SURFACE, hits.len() as u64);
    for outcome in app.collector.accept_all(hits).await? {
        match outcome? {
            Accepted::Counted => {}
            Accepted::Bot => tally.bots += 1,
            Accepted::Excluded => tally.excluded += 1,
            Accepted::Dropped => continue,
        }
        tally.stored += 1;
    }
    Ok(())
}

impl Tally {
    fn refuse(&mut self, line: u64, problem: Problem) {
        telemetry::received(SURFACE, 1);
        telemetry::refused(SURFACE, problem.reason());
        let refusal = Refusal::from(problem);
        *self.refused.entry(refusal.reason.clone()).or_default() += 1;
        if self.refusals.len() < bounds::IMPORT_REFUSALS {
            self.refusals.push(RefusedLine { line, refusal });
        }
    }
}

/// True when the loader has committed all that is in the stream now; false when that takes too long. A stream that
/// cannot tell yet, because its brokers are away or events wait to be sent to them, is asked again.
async fn wait_until_loaded(app: &App) -> Result<bool, Problem> {
    let stream = app.collector.stream();
    let deadline = tokio::time::Instant::now() + WAIT;
    for partition in 0..stream.partitions() {
        let mut end = None;
        loop {
            let asked = match end {
                None => stream.end(partition).await.map(|now| end = Some(now)),
                Some(end) => match stream.committed(partition).await {
                    Ok(committed) if committed >= end => break,
                    other => other.map(drop),
                },
            };
            match asked {
                Ok(()) | Err(StreamError::Unavailable(_)) => {}
                Err(error) => {
                    return Err(Problem::Unavailable { retry_after: 5, cause: Some(error.into()) });
                }
            }
            if tokio::time::Instant::now() > deadline || app.stop.is_cancelled() {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(true)
}

/// Cuts a body into lines as it comes. A line that is too long is cut short, so that it is refused without being held.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    at: usize,
    ended: bool,
    number: u64,
}

impl Lines {
    fn feed(&mut self, chunk: &[u8], ended: bool) {
        self.held.drain(..self.at);
        self.at = 0;
        // The rest of a line that is too long already is not kept.
        if self.held.len() > bounds::IMPORT_LINE && !self.held.contains(&b'\n') {
            if let Some(newline) = chunk.iter().position(|byte| *byte == b'\n') {
                self.held.extend_from_slice(&chunk[newline..]);
            }
        } else {
            self.held.extend_from_slice(chunk);
        }
        self.ended = ended;
    }

    /// The next line that is not empty, with its number.
    fn next(&mut self) -> Option<(u64, Vec<u8>)> {
        loop {
            let rest = &self.held[self.at..];
            let (line, taken) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(newline) => (&rest[..newline], newline + 1),
                None if self.ended && !rest.is_empty() => (rest, rest.len()),
                None => return None,
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
            self.at += taken;
            self.number += 1;
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Some((self.number, line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(u64, usize)> {
        let mut lines = Lines::default();
        let mut cut = Vec::new();
        for (at, chunk) in chunks.iter().enumerate() {
            lines.feed(chunk, at + 1 == chunks.len());
            while let Some((number, line)) = lines.next() {
                cut.push((number, line.len()));
            }
        }
        cut
    }

    #[test]
    fn lines_are_cut_wherever_the_chunks_are() {
        assert_eq!(cut(&[b"ab\nc", b"d\r\n", b"\n", b"ef"]), [(1, 2), (2, 2), (4, 2)]);
        assert_eq!(cut(&[b"", b""]), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_not_held_and_does_not_hurt_its_neighbours() {
        let long = vec![b'x'; bounds::IMPORT_LINE + 1];
        let cut = cut(&[&long, &long, &long, b"xx\nab\n"]);
        assert_eq!(cut, [(1, bounds::IMPORT_LINE + 1), (2, 2)]);
    }
}
