//! What has landed before: for records that are delivered again because a consumer group's offsets were set back.
//!
//! A planned batch that is made again needs none of this: its token makes the store drop what it has. But a group without
//! offsets begins at the start and makes other batches, under other tokens. So while a partition is read at offsets that
//! the store has passed already, every row is looked up by its offset and its time of receipt, and only what is not there
//! is inserted. The time of receipt tells a topic that was made anew, whose offsets mean other events.

use std::collections::{HashMap, HashSet};

use clickhouse::{Client, Row};
use schema::rows::{DeadLetterRow, EventRow};
use serde::Deserialize;

use super::recall::Before;
use crate::stream::Offset;

#[derive(Row, Deserialize)]
struct LandedRow {
    kafka_offset: u64,
    received_at: i64,
}

/// The offset after the last one of the partition that is a row or a dead letter; 0 when there is none.
pub(super) async fn end(client: &Client, of: &Before<'_>) -> Result<Offset, clickhouse::error::Error> {
    client
        .query(include_str!("landed_end.sql"))
        .param("stream", of.stream)
        .param("partition", of.partition)
        .fetch_one::<u64>()
        .await
}

/// Keeps the rows and letters of a batch (which begins at `of.offset` and ends before `to`) that are not in the store.
pub(super) async fn retain_new(
    client: &Client,
    of: &Before<'_>,
    to: Offset,
    rows: &mut Vec<EventRow>,
    dead: &mut Vec<DeadLetterRow>,
) -> Result<(), clickhouse::error::Error> {
    let range = |sql: &str| {
        client
            .query(sql)
            .param("stream", of.stream)
            .param("partition", of.partition)
            .param("from", of.offset)
            .param("to", to)
    };
    if !rows.is_empty() {
        let days: HashSet<_> = rows.iter().map(|row| (row.website_id, row.day)).collect();
        let landed: HashMap<u64, i64> = range(include_str!("landed_events.sql"))
            .param("websites", days.iter().map(|(website, _)| website.to_string()).collect::<Vec<_>>())
            .param("days", days.iter().map(|(_, day)| *day).collect::<Vec<_>>())
            .fetch_all::<LandedRow>()
            .await?
            .into_iter()
            .map(|row| (row.kafka_offset, row.received_at))
            .collect();
        rows.retain(|row| landed.get(&row.kafka_offset) != Some(&(row.time + row.received_after_ms)));
    }
    if !dead.is_empty() {
        let landed: HashSet<u64> =
            range(include_str!("landed_letters.sql")).fetch_all::<u64>().await?.into_iter().collect();
        dead.retain(|letter| !landed.contains(&letter.kafka_offset));
    }
    Ok(())
}
