//! What has landed before: for records that are delivered again because a consumer group's offsets were set back.
//!
//! A planned batch that is made again needs none of this: its token makes the store drop what it has. But a group without
//! offsets begins at the start and makes other batches, under other tokens. So while a partition is read at offsets that
//! the store has passed already, every row is looked up by its offset and its time of receipt, and only what is not there
//! is inserted. The time of receipt tells a topic that was made anew, whose offsets mean other events.

use std::collections::{BTreeSet, HashMap, HashSet};

use clickhouse::query::Query;
use clickhouse::{Client, Row};
use schema::Event;
use serde::Deserialize;
use uuid::Uuid;

use super::claims::{self, Ask};
use super::recall::Before;
use crate::stream::Offset;

#[derive(Row, Deserialize)]
struct LandedRow {
    kafka_offset: u64,
    received_at: i64,
}

#[derive(Row, Deserialize)]
struct IdRow {
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    received_at: i64,
    stream: String,
    kafka_partition: u16,
    kafka_offset: u64,
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

/// What the store has already of a range.
#[derive(Debug, Default)]
pub(super) struct Landed {
    /// Offsets of events that are rows.
    pub(super) rows: HashSet<Offset>,
    /// Offsets of records that are dead letters.
    pub(super) letters: HashSet<Offset>,
}

/// What is landed of some events and records of a batch, which begins at `of.offset` and ends before `to`.
pub(super) async fn of_batch(
    client: &Client,
    of: &Before<'_>,
    to: Offset,
    events: &[(Offset, Event)],
) -> Result<Landed, clickhouse::error::Error> {
    let letters = range(client, include_str!("landed_letters.sql"), of, to).fetch_all::<u64>().await?;
    let mut landed = Landed { rows: HashSet::new(), letters: letters.into_iter().collect() };
    let days: HashSet<_> = events.iter().map(|(_, event)| (event.website_id(), event.day)).collect();
    if !days.is_empty() {
        let received: HashSet<_> =
            events.iter().map(|(offset, event)| (*offset, event.received_ms)).collect();
        landed.rows = range(client, include_str!("landed_events.sql"), of, to)
            .param("websites", days.iter().map(|(website, _)| website.to_string()).collect::<Vec<_>>())
            .param("days", days.iter().map(|(_, day)| *day).collect::<Vec<_>>())
            .fetch_all::<LandedRow>()
            .await?
            .into_iter()
            .filter(|row| received.contains(&(row.kafka_offset, row.received_at)))
            .map(|row| row.kafka_offset)
            .collect();
    }
    Ok(landed)
}

/// The offsets of a partition's events whose ids are stored already, from other places. Claims are kept for days; the rows
/// know for good.
pub(super) async fn stored_ids(
    client: &Client,
    of: &Before<'_>,
    asks: &[Ask],
) -> Result<HashSet<Offset>, clickhouse::error::Error> {
    let mut stored = HashSet::new();
    for asks in asks.chunks(claims::LOOK_AT) {
        // An event is received up to a day after it happened, its rival a day before or after it, and calendars differ.
        let days: HashSet<_> = asks
            .iter()
            .flat_map(|ask| (-3..=3).map(|by| (ask.website_id, ask.received_at / claims::WINDOW_MS + by)))
            .filter(|(_, day)| u16::try_from(*day).is_ok())
            .collect();
        let rows = client
            .query(include_str!("landed_ids.sql"))
            .param("websites", days.iter().map(|(website, _)| website.to_string()).collect::<Vec<_>>())
            .param("days", days.iter().map(|(_, day)| *day).collect::<Vec<_>>())
            .param("ids", asks.iter().map(|ask| ask.event_id.to_string()).collect::<Vec<_>>())
            .fetch_all::<IdRow>()
            .await?;
        let mut by_id: HashMap<_, Vec<IdRow>> = HashMap::new();
        for row in rows {
            by_id.entry((row.website_id, row.event_id)).or_default().push(row);
        }
        let is_stored = |ask: &&Ask| {
            by_id.get(&(ask.website_id, ask.event_id)).into_iter().flatten().any(|row| {
                let is_itself = row.kafka_offset == ask.offset
                    && u32::from(row.kafka_partition) == of.partition
                    && row.stream == of.stream;
                !is_itself && (row.received_at - ask.received_at).abs() < claims::WINDOW_MS
            })
        };
        stored.extend(asks.iter().filter(is_stored).map(|ask| ask.offset));
    }
    Ok(stored)
}

/// Which offsets of a range the store has refused as rows before.
pub(super) async fn refused(
    client: &Client,
    of: &Before<'_>,
    to: Offset,
) -> Result<BTreeSet<Offset>, clickhouse::error::Error> {
    let refused = range(client, include_str!("landed_refused.sql"), of, to).fetch_all::<u64>().await?;
    Ok(refused.into_iter().collect())
}

fn range(client: &Client, sql: &'static str, of: &Before<'_>, to: Offset) -> Query {
    client
        .query(sql)
        .param("stream", of.stream)
        .param("partition", of.partition)
        .param("from", of.offset)
        .param("to", to)
}
