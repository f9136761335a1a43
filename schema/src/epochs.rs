//! Epochs: how changes of what is stored are kept apart from the loading that goes on meanwhile.
//!
//! Whoever changes something (a rollup's version, a day that is made again, a website that is deleted) begins a new
//! epoch. Every loader takes it up between two batches: it writes a checkpoint, which says from which offset on its
//! partition's rows carry the new number, and forgets what it holds in memory. A batch that is made again after a crash
//! keeps the epoch of its first try, because the checkpoint of its partition still says so. So when every
//! partition has its checkpoint, the rows of earlier epochs are complete, and none can follow: they can be
//! counted, compared and corrected while new rows come in. A held epoch also makes the loaders wait before their next batch;
//! a hold lapses by itself, so that a maintainer who dies holds up nobody for long.

use std::time::Duration;

use clickhouse::{Client, Row};
use serde::Deserialize;
use thiserror::Error;

use crate::migrate::fence;

/// The epoch of a checkpoint that says: this stream is gone, nobody waits for it.
pub const RETIRED: u32 = u32::MAX;

/// How often one who waits for the loaders looks.
const LOOK: Duration = Duration::from_millis(100);

/// The newest epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Row, Deserialize)]
pub struct Epoch {
    /// Its number; 0 before the first one was begun.
    pub number: u32,
    /// Whether loaders wait with their next batch.
    pub held: bool,
}

/// A partition whose loader has not taken up an epoch yet.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Behind {
    /// The stream.
    pub stream: String,
    /// Its partition.
    pub kafka_partition: u16,
    /// The epoch that it is in.
    pub epoch: u32,
}

/// Why an epoch was not taken up by all.
#[derive(Debug, Error)]
pub enum EpochError {
    /// Some partitions have no loader that answers.
    #[error(
        "no loader has taken up the change for {}: start the loaders (`ingest load` or `footfall serve`), then run \
         this again; if a stream is gone for good, say so with `migrate retire <stream>`",
        partitions(.0)
    )]
    Behind(Vec<Behind>),
    /// The store did not answer.
    #[error("ClickHouse could not be asked about the loaders")]
    Store(#[from] clickhouse::error::Error),
}

fn partitions(behind: &[Behind]) -> String {
    let mut names: Vec<String> = behind
        .iter()
        .take(8)
        .map(|partition| format!("partition {} of {}", partition.kafka_partition, partition.stream))
        .collect();
    if behind.len() > names.len() {
        names.push(format!("{} more", behind.len() - names.len()));
    }
    names.join(", ")
}

/// The newest epoch.
pub async fn current(client: &Client) -> Result<Epoch, clickhouse::error::Error> {
    let newest = client.query(include_str!("epochs/current.sql")).fetch_optional::<Epoch>().await?;
    Ok(newest.unwrap_or_default())
}

/// Writes an epoch down; a repetition of the newest one prolongs or ends its hold. `hold` is how long loaders wait.
/// Only who has the migration lock may begin one.
pub async fn begin(
    client: &Client,
    number: u32,
    hold: Duration,
    reason: &str,
) -> Result<(), clickhouse::error::Error> {
    client
        .query(&include_str!("epochs/begin.sql").replace("$fence", &fence()))
        .param("epoch", number)
        .param("hold_ms", hold.as_millis() as u64)
        .param("reason", reason)
        .with_setting("async_insert", "0")
        .execute()
        .await
}

/// Lets the loaders of a held epoch go on.
pub async fn release(client: &Client, number: u32) -> Result<(), clickhouse::error::Error> {
    begin(client, number, Duration::ZERO, "released").await
}

/// Writes down that a partition's rows from this offset on carry the epoch.
pub async fn checkpoint(
    client: &Client,
    stream: &str,
    partition: u32,
    epoch: u32,
    offset: u64,
) -> Result<(), clickhouse::error::Error> {
    client
        .query(include_str!("epochs/checkpoint.sql"))
        .param("stream", stream)
        .param("partition", partition)
        .param("epoch", epoch)
        .param("offset", offset)
        .with_setting("async_insert", "0")
        .execute()
        .await
}

/// The epoch of a partition's last checkpoint; `None` when it has none.
pub async fn of_partition(
    client: &Client,
    stream: &str,
    partition: u32,
) -> Result<Option<u32>, clickhouse::error::Error> {
    client
        .query(include_str!("epochs/of_partition.sql"))
        .param("stream", stream)
        .param("partition", partition)
        .fetch_optional::<u32>()
        .await
}

/// The partitions that have not taken up an epoch.
pub async fn behind(client: &Client, epoch: u32) -> Result<Vec<Behind>, clickhouse::error::Error> {
    client.query(include_str!("epochs/behind.sql")).param("epoch", epoch).fetch_all::<Behind>().await
}

/// Waits until all partitions have taken up an epoch, for so long.
pub async fn wait(client: &Client, epoch: u32, patience: Duration) -> Result<(), EpochError> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let behind = behind(client, epoch).await?;
        if behind.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(EpochError::Behind(behind));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says that a stream is gone for good: nobody waits for its partitions any more. Returns how many it had.
pub async fn retire(client: &Client, stream: &str) -> Result<usize, clickhouse::error::Error> {
    let known = behind(client, RETIRED).await?;
    let of_stream: Vec<_> = known.into_iter().filter(|partition| partition.stream == stream).collect();
    for partition in &of_stream {
        checkpoint(client, stream, u32::from(partition.kafka_partition), RETIRED, 0).await?;
    }
    Ok(of_stream.len())
}
