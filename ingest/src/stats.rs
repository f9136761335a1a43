//! How many events there are: of some websites in the store, and in the stream on their way to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;
use clickhouse::error::Error as StoreError;
use clickhouse::{Client, Row};
use directory::Website;
use serde::Deserialize;

use crate::enrich::local_day;
use crate::stream::{Stream, StreamError};

/// How long the store may count.
const PATIENCE: Duration = Duration::from_secs(15);

/// The events of some websites that count: neither bots' nor excluded ones.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Totals {
    /// All of them, by category; an event that names none of the published ones is a `page_view` or a `user_action`.
    pub by_category: BTreeMap<String, u64>,
    /// All of them.
    pub total: u64,
    /// Those of today, in each website's time zone.
    pub today: u64,
    /// Those of this hour of each website's clock.
    pub this_hour: u64,
    /// When the newest of them that is in the store was received, milliseconds since 1970.
    pub newest: Option<i64>,
}

#[derive(Row, Deserialize)]
struct CategoryRow {
    category: String,
    events: u64,
    today: u64,
    this_hour: u64,
    newest: i64,
}

/// Counts the events of these websites at the instant `now`.
pub async fn totals(client: &Client, websites: &[Arc<Website>], now: i64) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
    if websites.is_empty() {
        return Ok(totals);
    }
    let query = client
        .query(include_str!("stats.sql"))
        .param("websites", websites.iter().map(|website| website.id.to_string()).collect::<Vec<_>>())
        .param("days", websites.iter().map(|website| local_day(now, website.timezone).0).collect::<Vec<_>>())
        .param("hours", websites.iter().map(|website| hour(now, website.timezone)).collect::<Vec<_>>());
    let counted = tokio::time::timeout(PATIENCE, query.fetch_all::<CategoryRow>());
    for row in counted.await.map_err(|_| StoreError::TimedOut)?? {
        totals.total += row.events;
        totals.today += row.today;
        totals.this_hour += row.this_hour;
        totals.newest = totals.newest.max(Some(row.newest));
        totals.by_category.insert(row.category, row.events);
    }
    Ok(totals)
}

/// When the clock's hour began in a zone, milliseconds since 1970.
fn hour(now: i64, zone: Tz) -> i64 {
    let local = DateTime::<Utc>::from_timestamp_millis(now).unwrap_or_default().with_timezone(&zone);
    now - i64::from(local.minute() * 60 + local.second()) * 1000 - i64::from(local.timestamp_subsec_millis())
}

/// What lies in the stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Events that are durable and not in the store yet.
    pub pending: u64,
    /// Events that went into the store since the stream began.
    pub flushed: u64,
}

/// Looks at all partitions.
pub async fn passage(stream: &dyn Stream) -> Result<Passage, StreamError> {
    let mut passage = Passage::default();
    for partition in 0..stream.partitions() {
        // In this order, so that what is loaded meanwhile is pending rather than less than nothing.
        let committed = stream.committed(partition).await?;
        let end = stream.end(partition).await?;
        passage.flushed += committed;
        passage.pending += end.saturating_sub(committed);
    }
    Ok(passage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_the_one_of_the_websites_clock() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let now = at("2026-03-02T12:10:30.250Z");
        assert_eq!(hour(now, Tz::UTC), at("2026-03-02T12:00:00Z"));
        assert_eq!(hour(now, chrono_tz::Asia::Kolkata), at("2026-03-02T11:30:00Z"));
    }
}
