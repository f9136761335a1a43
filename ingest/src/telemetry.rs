//! What the way in counts and shows to its operators. All names stand here, with what they mean.
//!
//! Labels come from closed lists: surfaces, reasons of ours, partitions. Nothing that a caller wrote becomes one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use clickhouse::Client;
use http::Method;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use service::operator::{Need, Probe};
use service::{Stop, problem};

use crate::stream::{Record, Stream};

/// How often the loaders' lag is looked at. On Kafka that asks the brokers.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Gives every metric its help. Call it when the recorder is installed.
pub fn describe() {
    use Unit::{Bytes, Count, Seconds};
    for (name, unit, help) in [
        ("footfall_events_received_total", Count, "Events that callers sent, by surface"),
        ("footfall_events_accepted_total", Count, "Events made durable that count in every report"),
        (
            "footfall_events_flagged_total",
            Count,
            "Events made durable as a bot's or as excluded, by kind and reason",
        ),
        ("footfall_events_refused_total", Count, "Events that were not stored, by surface and reason"),
        (
            "footfall_events_dropped_total",
            Count,
            "Events that were taken and of which nothing is stored, by reason",
        ),
        ("footfall_stream_appended_records_total", Count, "Records made durable in the stream"),
        ("footfall_stream_appended_bytes_total", Bytes, "Bytes of records made durable in the stream"),
        ("footfall_stream_failed_records_total", Count, "Records that the stream did not take"),
        ("footfall_load_rows_total", Count, "Rows stored by the loader"),
        ("footfall_load_repeats_total", Count, "Repeated events dropped by the loader"),
        ("footfall_load_dead_letters_total", Count, "Records that could not become rows, by reason"),
        ("footfall_load_insert_retries_total", Count, "Inserts that failed and were tried again, by table"),
    ] {
        describe_counter!(name, unit, help);
    }
    for (name, unit, help) in [
        (
            "footfall_stream_append_seconds",
            Seconds,
            "Time until the stream said that a call's records are durable",
        ),
        ("footfall_load_batch_rows", Count, "Rows of a batch"),
        ("footfall_load_insert_seconds", Seconds, "Time of one insert, by table; failed ones too"),
    ] {
        describe_histogram!(name, unit, help);
    }
    for (name, unit, help) in [
        (
            "footfall_stream_waiting_bytes",
            Bytes,
            "Bytes of records on this machine's disk: in the journal for the loader, in the bridge's for Kafka",
        ),
        ("footfall_stream_waiting_records", Count, "Records on this machine's disk, as their bytes"),
        ("footfall_load_lag_records", Count, "Records that are durable and not yet loaded, by partition"),
        ("footfall_load_live_sessions", Count, "Sessions that the loader holds in memory, by partition"),
        ("footfall_load_live_days", Count, "Days of websites that the loader holds in memory, by partition"),
    ] {
        describe_gauge!(name, unit, help);
    }
}

/// Counts a request that is one event, around what answers it and below what writes problems.
pub async fn count_event(
    surface: &'static str,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    if request.method() != Method::POST {
        return answer(request).await;
    }
    received(surface, 1);
    let response = answer(request).await;
    match problem::carried(&response) {
        Some(problem) => refused(surface, problem.reason()),
        // A surface may list what is wrong in its own form.
        None if response.status().is_client_error() => refused(surface, "invalid"),
        None => {}
    }
    response
}

/// A surface was sent events.
pub fn received(surface: &'static str, events: u64) {
    counter!("footfall_events_received_total", "surface" => surface).increment(events);
}

/// A surface refused an event, or did not store it for another reason.
pub fn refused(surface: &'static str, reason: &'static str) {
    counter!("footfall_events_refused_total", "surface" => surface, "reason" => reason).increment(1);
}

/// An event is durable that counts in every report.
pub(crate) fn accepted() {
    counter!("footfall_events_accepted_total").increment(1);
}

/// An event is durable as a bot's. The reason is the dictionary's.
pub(crate) fn bot(reason: String) {
    counter!("footfall_events_flagged_total", "kind" => "bot", "reason" => reason).increment(1);
}

/// An event is durable as excluded.
pub(crate) fn excluded() {
    counter!("footfall_events_flagged_total", "kind" => "excluded", "reason" => "address").increment(1);
}

/// An event was taken, and nothing of it is stored. The reason is one of the way in's own.
pub(crate) fn dropped(reason: &'static str) {
    counter!("footfall_events_dropped_total", "reason" => reason).increment(1);
}

/// Tells how long an append took and what became of the records: sizes in bytes, and whether each is durable.
pub(crate) fn appended(took: Duration, fates: impl Iterator<Item = (usize, bool)>) {
    let (mut records, mut bytes, mut failed) = (0, 0, 0);
    for (size, durable) in fates {
        if durable {
            records += 1;
            bytes += size as u64;
        } else {
            failed += 1;
        }
    }
    histogram!("footfall_stream_append_seconds").record(took.as_secs_f64());
    counter!("footfall_stream_appended_records_total").increment(records);
    counter!("footfall_stream_appended_bytes_total").increment(bytes);
    if failed > 0 {
        counter!("footfall_stream_failed_records_total").increment(failed);
    }
}

/// The sizes of records, to be told apart from the records themselves, which an append takes.
pub(crate) fn sizes(records: &[Record]) -> Vec<usize> {
    records.iter().map(|record| record.payload.len()).collect()
}

/// A batch is in the store.
pub(crate) fn batch(rows: usize, repeats: usize) {
    counter!("footfall_load_rows_total").increment(rows as u64);
    counter!("footfall_load_repeats_total").increment(repeats as u64);
    histogram!("footfall_load_batch_rows").record(rows as f64);
}

/// A record became a dead letter. The reason is one of the loader's own.
pub(crate) fn dead_letter(reason: String) {
    counter!("footfall_load_dead_letters_total", "reason" => reason).increment(1);
}

/// One try of an insert.
pub(crate) fn insert(table: &'static str, took: Duration) {
    histogram!("footfall_load_insert_seconds", "table" => table).record(took.as_secs_f64());
}

/// An insert will be tried again.
pub(crate) fn insert_retry(table: &'static str) {
    counter!("footfall_load_insert_retries_total", "table" => table).increment(1);
}

/// What a partition's loader holds in memory; nothing when it has ended.
pub(crate) fn held(partition: u32, sessions: usize, days: usize) {
    let partition = partition.to_string();
    gauge!("footfall_load_live_sessions", "partition" => partition.clone()).set(sessions as f64);
    gauge!("footfall_load_live_days", "partition" => partition).set(days as f64);
}

/// Looks at the loaders' lag until `stop`. A partition that cannot be asked keeps what was last known.
pub async fn watch_lag(stream: Arc<dyn Stream>, stop: Stop) {
    loop {
        let looking = async {
            for partition in 0..stream.partitions() {
                // Committed first: what is committed in between only makes the lag look larger for a moment.
                let asked = (stream.committed(partition).await, stream.end(partition).await);
                if let (Ok(committed), Ok(end)) = asked {
                    gauge!("footfall_load_lag_records", "partition" => partition.to_string())
                        .set(end.saturating_sub(committed) as f64);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = looking => {}
        }
    }
}

/// What the way in cannot work without: the store and the stream.
pub fn needs(store: Client, stream: Arc<dyn Stream>) -> Vec<Need> {
    let store_answers: service::health::Check = Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { schema::store::answers(&store).await })
    });
    let stream_answers: service::health::Check = Arc::new(move || {
        let stream = Arc::clone(&stream);
        Box::pin(async move { stream.is_ready().await })
    });
    vec![Need::new("store", store_answers), Need::new("stream", stream_answers)]
}

/// What the stream holds, where it can tell.
pub fn probe(stream: Arc<dyn Stream>) -> Probe {
    Arc::new(move || {
        if let Some(bytes) = stream.stored_bytes() {
            gauge!("footfall_stream_waiting_bytes").set(bytes as f64);
        }
        if let Some(records) = stream.stored_records() {
            gauge!("footfall_stream_waiting_records").set(records as f64);
        }
    })
}
