//! The report core: a scope and a question become static SQL, and its rows become counts.
//!
//! A report is a value: whose events, of which days, with which filters ([`Scope`]), and a question with a page of its
//! own ([`mod@totals`], [`mod@breakdown`]). The core answers **counts**; rates, rounding, names and envelopes belong to
//! the surfaces. Nothing in here knows HTTP or a published API, and no SQL is ever made of a caller's text.
//!
//! * [`period`]: days, and the words for ranges of them,
//! * [`metric`] and [`dimension`]: what can be counted, and by what: two closed lists,
//! * [`scope`]: whose events, of which days, with which filters,
//! * [`plan`]: the smallest table that answers exactly,
//! * [`sql`]: static text with slots, server-side parameters, and the limits of every query.

pub mod breakdown;
pub mod dimension;
pub mod metric;
pub mod period;
pub mod plan;
mod ready;
pub mod scope;
pub mod sql;
pub mod totals;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use schema::store::StoreUrl;
use service::Clock;
use thiserror::Error;
use uuid::Uuid;

use ready::Ready;

pub use breakdown::{Breakdown, Page};
pub use dimension::Dimension;
pub use metric::{Counts, Metric};
pub use period::{Comparison, Days, Period};
pub use plan::{Prefer, Source};
pub use scope::Scope;

/// An answer, and which table it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The counts.
    pub counts: T,
    /// The table that was asked.
    pub source: Source,
}

/// Why a report has no answer.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The query passed one of its limits: see [`sql::Limits`].
    #[error("the query passed a limit of time, memory or rows")]
    TooCostly(#[source] clickhouse::error::Error),
    /// The store cannot be reached, or not now.
    #[error("the store does not answer")]
    Unavailable(#[source] clickhouse::error::Error),
    /// The store refused the query, or its rows are not what the query asked for.
    #[error("the store refused the query")]
    Refused(#[source] clickhouse::error::Error),
}

/// Everything that can be asked about websites.
#[derive(Clone)]
pub struct Reports {
    reader: sql::Reader,
    clock: Clock,
    prefer: Prefer,
    ready: Arc<Ready>,
}

impl Reports {
    /// Reports from a store. The clock says what "today" is.
    pub fn new(store: &StoreUrl, clock: Clock) -> Self {
        Self {
            reader: sql::Reader::new(store, sql::Limits::default()),
            clock,
            prefer: Prefer::Auto,
            ready: Arc::new(Ready::new(store)),
        }
    }

    /// The same reports under other limits per query.
    #[must_use]
    pub fn limited(mut self, store: &StoreUrl, limits: sql::Limits) -> Self {
        self.reader = sql::Reader::new(store, limits);
        self
    }

    /// The same reports from a table of the caller's choice, for comparing both ways.
    #[must_use]
    pub fn prefer(mut self, prefer: Prefer) -> Self {
        self.prefer = prefer;
        self
    }

    /// The smallest table that answers exactly, if it is whole; else the events.
    async fn source(&self, smallest: Source) -> Source {
        match smallest.rollup() {
            Some(rollup) if !self.ready.has(rollup).await => smallest.of_events(),
            _ => smallest,
        }
    }

    /// The calendar day that it is now in a website's zone.
    pub fn today(&self, zone: Tz) -> NaiveDate {
        DateTime::from_timestamp_millis(self.clock.now())
            .unwrap_or_default()
            .with_timezone(&zone)
            .date_naive()
    }

    /// The days of a period of a website: a relative one is counted from today in its zone, and `all` from the day of
    /// its first event.
    pub async fn days(&self, site: Uuid, zone: Tz, period: Period) -> Result<Days, ReportError> {
        let today = self.today(zone);
        match period.days(today) {
            Some(days) => Ok(days),
            None => Ok(Days::since(self.first_day(site).await?, today)),
        }
    }

    /// The day of a website's first counted event, a bot's or not; `None` when it has none.
    async fn first_day(&self, site: Uuid) -> Result<Option<NaiveDate>, ReportError> {
        let text = match self.source(Source::SiteTotals).await {
            Source::SiteTotals => include_str!("first_day.sql"),
            Source::Events | Source::PartOfEvents => include_str!("first_day_of_events.sql"),
        };
        let query = sql::Sql::file(text).ask(&self.reader).param("site", site);
        let days: Option<u16> = sql::one(query).await?;
        Ok(days.map(|days| period::day_from_epoch(i64::from(days))))
    }
}
