//! Makes a day's state again from the stored rows: what the sessioniser knew before a restart, or before it forgot an
//! idle day, or what an earlier import left behind.

use std::collections::HashSet;

use clickhouse::{Client, Row};
use serde::Deserialize;
use uuid::Uuid;

use super::row::{Device, Locale, Source, Stamp};
use super::sessionise::{Day, DayKey, Session, Somebody, path_hash};

/// The rows that a partition's loader has to know: all of its own before the batch that it is about to make, and all
/// that other streams (an earlier journal) have left.
#[derive(Debug, Clone)]
pub struct Before<'a> {
    /// The stream's id.
    pub stream: &'a str,
    /// The partition.
    pub partition: u32,
    /// First offset of the batch that is about to be made. Its own rows may be in the store already, from an insert
    /// that was not committed; they are not looked at.
    pub offset: u64,
}

#[derive(Row, Deserialize)]
struct DayRow {
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    day: u16,
}

#[derive(Row, Deserialize)]
struct SeenRow {
    visitors: Vec<(u64, bool)>,
    event_ids: Vec<StoredUuid>,
}

/// A UUID inside an array, where the crate's field helper does not reach by itself.
#[derive(Deserialize)]
struct StoredUuid(#[serde(with = "clickhouse::serde::uuid")] Uuid);

#[derive(Row, Deserialize)]
struct SessionRow {
    id: u64,
    start: i64,
    day_of_start: u16,
    first: i64,
    last: i64,
    page_views: u64,
    customs: u64,
    paths: Vec<String>,
    entry: String,
    last_view: String,
    last_view_time: i64,
    owner: u64,
    next_owner: u64,
    next_day: u16,
    went_on: bool,
    bot: bool,
    referrer: String,
    channel: String,
    utm_source: String,
    utm_medium: String,
    utm_campaign: String,
    utm_term: String,
    utm_content: String,
    device_type: String,
    browser: String,
    os: String,
    screen: String,
    country: String,
    region: String,
    city: String,
    language: String,
}

/// The state of the given days; a day without rows is empty, and is here too.
pub async fn recall(
    client: &Client,
    before: &Before<'_>,
    keys: &HashSet<DayKey>,
) -> Result<Vec<(DayKey, Day)>, clickhouse::error::Error> {
    let days: Vec<DayKey> = keys.iter().copied().filter(|key| u16::try_from(key.day).is_ok()).collect();
    let filled: HashSet<DayKey> = bound(client, include_str!("recall_days.sql"), before)
        .param("websites", days.iter().map(|key| key.website_id.to_string()).collect::<Vec<_>>())
        .param("days", days.iter().map(|key| key.day).collect::<Vec<_>>())
        .fetch_all::<DayRow>()
        .await?
        .into_iter()
        .map(|row| DayKey { website_id: row.website_id, day: i32::from(row.day) })
        .collect();
    let mut recalled = Vec::with_capacity(keys.len());
    for key in keys {
        let day = if filled.contains(key) { recall_day(client, before, *key).await? } else { Day::default() };
        recalled.push((*key, day));
    }
    Ok(recalled)
}

async fn recall_day(
    client: &Client,
    before: &Before<'_>,
    key: DayKey,
) -> Result<Day, clickhouse::error::Error> {
    let ask =
        |sql| bound(client, sql, before).param("website", key.website_id.to_string()).param("day", key.day);
    let seen = ask(include_str!("recall_seen.sql")).fetch_one::<SeenRow>().await?;
    let sessions = ask(include_str!("recall_sessions.sql")).fetch_all::<SessionRow>().await?;
    let mut day = Day {
        visitors: seen.visitors.into_iter().map(|(id, is_bot)| Somebody { id, is_bot }).collect(),
        event_ids: seen.event_ids.into_iter().map(|StoredUuid(id)| id.as_u128()).collect(),
        ..Day::default()
    };
    for row in sessions {
        let owner = Somebody { id: row.owner, is_bot: row.bot };
        if row.went_on {
            let next = Somebody { id: row.next_owner, is_bot: row.bot };
            day.moved.insert(owner, (i32::from(row.next_day), next));
        } else {
            day.sessions.entry(owner).or_default().push(row.into());
        }
    }
    Ok(day)
}

fn bound(client: &Client, sql: &'static str, before: &Before<'_>) -> clickhouse::query::Query {
    client
        .query(sql)
        .param("stream", before.stream)
        .param("partition", before.partition)
        .param("before", before.offset)
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            start: row.start,
            day: i32::from(row.day_of_start),
            first: row.first,
            last: row.last,
            page_views: row.page_views,
            customs: row.customs,
            paths: row.paths.iter().map(|path| path_hash(path)).collect(),
            entry_path: (row.page_views > 0).then_some(row.entry),
            last_view: (row.page_views > 0).then_some((row.last_view_time, row.last_view)),
            stamp: Stamp {
                source: Source {
                    referrer: row.referrer,
                    channel: row.channel,
                    utm_source: row.utm_source,
                    utm_medium: row.utm_medium,
                    utm_campaign: row.utm_campaign,
                    utm_term: row.utm_term,
                    utm_content: row.utm_content,
                },
                device: Device {
                    device_type: row.device_type,
                    browser: row.browser,
                    os: row.os,
                    screen: row.screen,
                },
                locale: Locale {
                    country: row.country,
                    region: row.region,
                    city: row.city,
                    language: row.language,
                },
            },
        }
    }
}
