//! What happens just now: the last 30 minutes, whatever day it is. Bots never count.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use clickhouse::Row;
use serde::Deserialize;
use uuid::Uuid;

use crate::report::period::storable;
use crate::report::plan::Source;
use crate::report::sql::{self, Sql};
use crate::report::{Answer, Kept, ReportError, Reports};

/// How long an event is "just now"; the gap that splits sessions.
pub const WINDOW: Duration = Duration::from_mins(30);

/// No zone is further behind UTC, or further ahead. Which one a website had when an event came in is not known: it may have
/// been changed since.
const BEHIND: TimeDelta = TimeDelta::hours(12);
const AHEAD: TimeDelta = TimeDelta::hours(14);

/// The last 30 minutes of a website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Distinct visitors with an event.
    pub visitors: i64,
    /// Distinct visitors who viewed a page, by its path: the ten pages with the most.
    pub pages: Vec<(String, i64)>,
    /// Events by type, the most frequent first.
    pub types: Vec<(String, i64)>,
}

#[derive(Row, Deserialize)]
struct LiveRow {
    list: u8,
    key: String,
    count: i64,
}

impl Reports {
    /// What happened at a website in the last 30 minutes.
    pub async fn live(&self, site: Uuid) -> Result<Answer<Live>, ReportError> {
        let now = self.clock.now();
        let window = TimeDelta::from_std(WINDOW).unwrap_or_default();
        let moment = DateTime::from_timestamp_millis(now).unwrap_or_default();
        let query = Sql::file(include_str!("live.sql"))
            .ask(&self.reader)
            .param("site", site)
            .param("start", storable((moment - window - BEHIND).date_naive()).to_string())
            .param("end", storable((moment + AHEAD).date_naive()).to_string())
            .param("after", now - window.num_milliseconds())
            .param("now", now);
        let mut counts = Live { visitors: 0, pages: Vec::new(), types: Vec::new() };
        for LiveRow { list, key, count } in sql::all(sql::by_more_threads(query)).await? {
            match list {
                1 => counts.visitors = count,
                2 => counts.pages.push((key, count)),
                _ => counts.types.push((key, count)),
            }
        }
        // Its answer changes by itself.
        Ok(Answer { counts, source: Source::PartOfEvents, kept: Kept::Off })
    }
}
