//! The report core: a scope and a question become static SQL, and its rows become counts.
//!
//! A report is a value: whose events, of which days, with which filters ([`Scope`]), and a question with a page of its
//! own ([`mod@totals`], [`mod@series`], [`mod@breakdown`], [`mod@lists`], [`mod@funnel`], [`mod@live`]). The core answers
//! **counts**; rates, rounding, names and envelopes belong to the surfaces. Nothing in here knows HTTP or a published API, and no SQL is ever made of a caller's text.
//!
//! * [`period`]: days, and the words for ranges of them,
//! * [`metric`] and [`dimension`]: what can be counted, and by what: two closed lists,
//! * [`filter`]: trees of tests, raised to static SQL and values beside it,
//! * [`scope`]: whose events, of which days, with which filters,
//! * [`plan`]: the smallest table that answers exactly,
//! * [`cache`]: answers that are kept as long as nothing that they were counted from has changed,
//! * [`sql`]: static text with slots, server-side parameters, and the limits of every query.

pub mod breakdown;
pub mod cache;
mod calendar;
pub mod dimension;
pub mod filter;
pub mod funnel;
pub mod lists;
pub mod live;
pub mod metric;
pub mod period;
pub mod plan;
mod ready;
pub mod scope;
pub mod series;
pub mod sql;
pub mod totals;

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use schema::store::StoreUrl;
use service::Clock;
use thiserror::Error;
use uuid::Uuid;

use cache::{Asked, Cache, Keepable};
use plan::Question;
use ready::{Chosen, Ready, Tables};

pub use breakdown::{Breakdown, Page};
pub use cache::{CacheSize, Kept};
pub use dimension::Dimension;
pub use filter::Filter;
pub use funnel::Funnel;
pub use lists::List;
pub use live::Live;
pub use metric::{Counts, Metric};
pub use period::{Comparison, Days, Period};
pub use plan::{Prefer, Source};
pub use scope::Scope;
pub use series::Series;

/// An answer, and which table it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The counts.
    pub counts: T,
    /// The table that was asked.
    pub source: Source,
    /// Whether it was asked now.
    pub kept: Kept,
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
    /// No table answers these metrics together exactly: see [`Metric`] and [`plan`].
    #[error("no table answers this question exactly")]
    Unanswerable,
}

/// Everything that can be asked about websites.
#[derive(Clone)]
pub struct Reports {
    reader: sql::Reader,
    clock: Clock,
    prefer: Prefer,
    ready: Arc<Ready>,
    cache: Option<Arc<Cache>>,
}

impl Reports {
    /// Reports from a store. The clock says what "today" is.
    pub fn new(store: &StoreUrl, clock: Clock) -> Self {
        Self {
            reader: sql::Reader::new(store, sql::Limits::default()),
            clock,
            prefer: Prefer::Auto,
            ready: Arc::new(Ready::new(store)),
            cache: None,
        }
    }

    /// The same reports under other limits per query.
    #[must_use]
    pub fn limited(mut self, store: &StoreUrl, limits: sql::Limits) -> Self {
        self.reader = sql::Reader::new(store, limits);
        self
    }

    /// The same reports with answers kept: see [`cache`].
    #[must_use]
    pub fn cached(mut self, store: &StoreUrl, size: CacheSize) -> Self {
        self.cache = Cache::new(store, size).map(Arc::new);
        self
    }

    /// The same reports from a table of the caller's choice, for comparing both ways.
    #[must_use]
    pub fn prefer(mut self, prefer: Prefer) -> Self {
        self.prefer = prefer;
        self
    }

    /// The smallest table that answers exactly and is whole.
    async fn choose(&self, question: &Question<'_>) -> Result<Chosen, ReportError> {
        self.choose_for_all(std::slice::from_ref(question)).await
    }

    /// The smallest table that answers all of some questions, and is whole.
    async fn choose_for_all(&self, questions: &[Question<'_>]) -> Result<Chosen, ReportError> {
        let tables = self.ready.tables().await;
        self.choose_among(questions, tables.clone(), |rollup| tables.of(rollup).is_some())
    }

    fn choose_among(
        &self,
        questions: &[Question<'_>],
        tables: Tables,
        is_whole: impl Fn(&'static str) -> bool,
    ) -> Result<Chosen, ReportError> {
        let answers = |source: &Source| {
            questions.iter().all(|question| {
                question.is_answered_by(*source, self.prefer) && question.rollups(*source).all(&is_whole)
            })
        };
        let source = Source::ALL.into_iter().find(answers).ok_or(ReportError::Unanswerable)?;
        Ok(Chosen { source, picks: questions.iter().any(Question::picks), tables })
    }

    /// The kept answer to a question, else the store's.
    async fn kept<T: Keepable>(
        &self,
        asked: Asked,
        chosen: &Chosen,
        ask: impl Future<Output = Result<T, ReportError>>,
    ) -> Result<Answer<T>, ReportError> {
        let source = chosen.source;
        let (counts, kept) = match &self.cache {
            Some(cache) if cache::is_worth_it(asked.scope(), source) => {
                cache.answer(asked, chosen, ask).await?
            }
            _ => (ask.await?, Kept::Off),
        };
        Ok(Answer { counts, source, kept })
    }

    /// The calendar day that it is now in a website's zone.
    pub fn today(&self, zone: Tz) -> NaiveDate {
        day_in(zone, self.clock.now())
    }

    /// The days of a period of a website: a relative one is counted from today in a zone, and `all` from the day of its
    /// first event. The zone is the website's own, or another that is asked for.
    pub async fn days(
        &self,
        site: Uuid,
        zone: Tz,
        is_own: bool,
        period: Period,
    ) -> Result<Days, ReportError> {
        let today = self.today(zone);
        if let Some(days) = period.days(today) {
            return Ok(days);
        }
        let first = match self.first_day(site).await? {
            Some(day) if !is_own => self.first_moment(site, day).await?.map(|moment| day_in(zone, moment)),
            first => first,
        };
        Ok(Days::since(first, today))
    }

    /// The day of a website's first counted event in its own zone, a bot's or not; `None` when it has none.
    async fn first_day(&self, site: Uuid) -> Result<Option<NaiveDate>, ReportError> {
        let tables = self.ready.tables().await;
        let table = tables.of("site_totals").filter(|_| self.prefer == Prefer::Auto);
        let text = match table {
            Some(_) => include_str!("first_day.sql"),
            None => include_str!("first_day_of_events.sql"),
        };
        let query = sql::Sql::file(text).ask(&self.reader).param("site", site);
        let query = if let Some(table) = table { query.param("table", table) } else { query };
        let days: Option<u16> = sql::one(query).await?;
        Ok(days.map(|days| period::day_from_epoch(i64::from(days))))
    }

    /// When the first event of a website's first day happened, in milliseconds since 1970.
    async fn first_moment(&self, site: Uuid, day: NaiveDate) -> Result<Option<i64>, ReportError> {
        let query = sql::Sql::file(include_str!("first_moment.sql"))
            .ask(&self.reader)
            .param("site", site)
            .param("day", day.to_string());
        sql::one(query).await
    }
}

/// The calendar day of a moment in a zone.
fn day_in(zone: Tz, moment: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(moment).unwrap_or_default().with_timezone(&zone).date_naive()
}
