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
        let today = DateTime::from_timestamp_millis(now).unwrap_or_default().date_naive();
        let query = Sql::file(include_str!("live.sql"))
            .ask(&self.reader)
            .param("site", site)
            .param("start", storable(today - TimeDelta::days(2)).to_string())
            .param("end", storable(today + TimeDelta::days(1)).to_string())
            .param("after", now - i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX))
            .param("now", now);
        let mut counts = Live { visitors: 0, pages: Vec::new(), types: Vec::new() };
        for LiveRow { list, key, count } in sql::all(query).await? {
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
