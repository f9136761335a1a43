//! Inserts a batch once, whatever happens: the same token for the same offsets, transient errors repeated, and rows
//! that the store refuses found by halving.
//!
//! A refused row must be known before the rows after it are made, since they would tell of a session that has it. So a
//! block that is refused is tried out, in halves, on a table that keeps nothing ([`try_out`]); what is found becomes dead
//! letters, durably, and the batch is made again without them. Only where that finds nothing are the halves inserted
//! themselves ([`insert_events`]): then the neighbours of a refused row land as they were made.

use std::time::{Duration, Instant};

use clickhouse::{Client, RowOwned, RowWrite};
use schema::rows::{DeadLetterRow, EventClaimRow, EventRow};
use service::{Stop, failpoint};
use thiserror::Error;

use super::WorkerError;
use crate::telemetry;

/// First wait before a repeated insert; doubles up to [`BACKOFF_LIMIT`].
const BACKOFF_START: Duration = Duration::from_millis(100);

/// Longest wait before a repeated insert.
const BACKOFF_LIMIT: Duration = Duration::from_secs(10);

/// The largest block of an insert, above every batch: a batch is one block, so that one token covers it.
const BLOCK_ROWS: &str = "1000000";

/// What ClickHouse answers when a row itself is wrong; every other failure may pass and is tried again.
/// Source: `ErrorCodes.cpp` of ClickHouse.
const REFUSED_ROW: [(u32, &str); 9] = [
    (6, "CANNOT_PARSE_TEXT"),
    (27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED"),
    (36, "BAD_ARGUMENTS"),
    (53, "TYPE_MISMATCH"),
    (69, "ARGUMENT_OUT_OF_BOUND"),
    (117, "INCORRECT_DATA"),
    (131, "TOO_LARGE_STRING_SIZE"),
    (395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    (469, "VIOLATED_CONSTRAINT"),
];

/// The insert was given up because the loader stops or has lost its partition.
#[derive(Debug, Error)]
#[error("the insert was given up")]
pub struct GivenUp;

/// Where rows are tried out: a table with the columns and constraints of `events` that keeps nothing.
const TRIAL: &str = "events_trial";

/// Inserts rows under a token, all or none: `Err(reason)` when the store refuses one of them.
pub(super) async fn insert_whole(
    client: &Client,
    token: &str,
    rows: &[EventRow],
    stop: &Stop,
) -> Result<Result<(), &'static str>, GivenUp> {
    insert_block(client, "events", Some(token), rows, stop).await
}

/// Which rows the store would refuse, and why; nothing is stored. Nothing is found either when the store cannot say:
/// rows are refused for another reason than the table's own, or this user may not make tables.
pub(super) async fn try_out(
    client: &Client,
    rows: &[EventRow],
    stop: &Stop,
) -> Result<Vec<(EventRow, &'static str)>, GivenUp> {
    // Made anew each time, since the constraints of `events` may have changed. It stays: others may be using it.
    if let Err(error) = client.query(include_str!("events_trial.sql")).execute().await {
        tracing::warn!(%error, "The table for trying out rows could not be made.");
        return Ok(Vec::new());
    }
    refused_of(client, TRIAL, "trial", rows, stop).await
}

/// Inserts rows under a token until the store has them. Rows that the store refuses come back with the reason.
pub async fn insert_events(
    client: &Client,
    token: &str,
    rows: &[EventRow],
    stop: &Stop,
) -> Result<Vec<(EventRow, &'static str)>, GivenUp> {
    refused_of(client, "events", token, rows, stop).await
}

async fn refused_of(
    client: &Client,
    table: &'static str,
    token: &str,
    rows: &[EventRow],
    stop: &Stop,
) -> Result<Vec<(EventRow, &'static str)>, GivenUp> {
    let mut refused = Vec::new();
    // Halves still to insert, the first on top. A half's token names its part, so each part is dropped by itself.
    let mut parts = vec![(token.to_owned(), rows)];
    while let Some((token, rows)) = parts.pop() {
        match insert_block(client, table, Some(&token), rows, stop).await? {
            Ok(()) => {}
            Err(reason) if rows.len() == 1 => refused.extend(rows.iter().cloned().map(|row| (row, reason))),
            Err(_) => {
                let (left, right) = rows.split_at(rows.len() / 2);
                parts.push((format!("{token}r"), right));
                parts.push((format!("{token}l"), left));
            }
        }
    }
    Ok(refused)
}

/// Inserts dead letters under a token.
pub async fn insert_dead_letters(
    client: &Client,
    token: &str,
    rows: &[DeadLetterRow],
    stop: &Stop,
) -> Result<(), GivenUp> {
    if let Err(reason) = insert_block(client, "dead_letters", Some(token), rows, stop).await? {
        tracing::error!(token, reason, "The dead letters were refused by the store.");
    }
    Ok(())
}

/// Inserts claims of event ids. Without a token they may be inserted again: whoever wants an id twice wants it once.
pub(super) async fn insert_claims(
    client: &Client,
    token: Option<&str>,
    rows: &[EventClaimRow],
    stop: &Stop,
) -> Result<(), WorkerError> {
    let inserted = insert_block(client, "event_claims", token, rows, stop).await?;
    inserted.map_err(WorkerError::Refused)
}

/// Inserts one block; `Err(reason)` when the store refuses a row of it.
async fn insert_block<T>(
    client: &Client,
    table: &'static str,
    token: Option<&str>,
    rows: &[T],
    stop: &Stop,
) -> Result<Result<(), &'static str>, GivenUp>
where
    T: RowOwned + RowWrite,
{
    if rows.is_empty() {
        return Ok(Ok(()));
    }
    let mut wait = BACKOFF_START;
    loop {
        let error = tokio::select! {
            inserted = timed(table, try_insert(client, table, token, rows)) => match inserted {
                Ok(()) => return Ok(Ok(())),
                Err(error) => error,
            },
            () = stop.cancelled() => return Err(GivenUp),
        };
        if let Some(reason) = refused_row(&error) {
            return Ok(Err(reason));
        }
        telemetry::insert_retry(table);
        tracing::warn!(%error, table, rows = rows.len(), wait_ms = wait.as_millis() as u64, "The insert failed; it is tried again.");
        tokio::select! {
            () = tokio::time::sleep(jittered(wait)) => {}
            () = stop.cancelled() => return Err(GivenUp),
        }
        wait = (wait * 2).min(BACKOFF_LIMIT);
    }
}

/// Tells how long a try took, however it ended.
async fn timed<T>(table: &'static str, insert: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let ended = insert.await;
    telemetry::insert(table, began.elapsed());
    ended
}

async fn try_insert<T>(
    client: &Client,
    table: &str,
    token: Option<&str>,
    rows: &[T],
) -> Result<(), clickhouse::error::Error>
where
    T: RowOwned + RowWrite,
{
    let mut insert = client
        .insert::<T>(table)
        .await?
        .with_timeouts(Some(Duration::from_secs(30)), Some(Duration::from_mins(3)))
        .with_setting("async_insert", "0")
        .with_setting("insert_deduplicate", if token.is_some() { "1" } else { "0" })
        .with_setting("insert_deduplication_token", token.unwrap_or_default())
        .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
        .with_setting("max_insert_block_size", BLOCK_ROWS)
        // An import of many years makes one block with many months.
        .with_setting("max_partitions_per_insert_block", "0");
    for row in rows {
        insert.write(row).await?;
    }
    failpoint::within("mid_insert", insert.end()).await
}

/// The reason's name, when the store refused a row and not the moment.
fn refused_row(error: &clickhouse::error::Error) -> Option<&'static str> {
    let clickhouse::error::Error::BadResponse(text) = error else { return None };
    let code = text.strip_prefix("Code: ")?.split('.').next()?.parse::<u32>().ok()?;
    REFUSED_ROW.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// Between half and the whole of a wait, so that loaders do not come back all at once.
pub(super) fn jittered(wait: Duration) -> Duration {
    let mut random = [0];
    // Without randomness the wait is whole.
    let _ = getrandom::fill(&mut random);
    wait.mul_f64(1.0 - f64::from(random[0]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_row_is_refused_everything_else_is_tried_again() {
        let bad = |text: &str| refused_row(&clickhouse::error::Error::BadResponse(text.to_owned()));
        assert_eq!(bad("Code: 469. DB::Exception: Constraint `x`"), Some("VIOLATED_CONSTRAINT"));
        assert_eq!(bad("Code: 241. DB::Exception: Memory limit exceeded"), None);
        assert_eq!(bad("Code: 252. DB::Exception: Too many parts"), None);
        assert_eq!(refused_row(&clickhouse::error::Error::TimedOut), None);
    }
}
