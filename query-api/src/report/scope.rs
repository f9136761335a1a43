//! Whose events, of which days, with which filters: what every question is asked about.
//!
//! A surface parses its parameters once and raises them to a scope; after that nobody can tell which API asked.
//!
//! **Another zone.** Events are stored with the day of the website's zone. Asked in another zone, a day is a span of
//! time: an event belongs to the span that it happened in, a session to the one that it started in. Nothing else
//! changes: an anonymous visitor is still one per day of the website, so somebody who is there before and after the
//! website's midnight counts as two, also within one day of the other zone.

use chrono::NaiveDate;
use chrono_tz::Tz;
use clickhouse::query::Query;
use uuid::Uuid;

use crate::report::cache::text_bytes;
use crate::report::calendar;
use crate::report::filter::{Filter, Property};
use crate::report::metric::{Fact, Metric};
use crate::report::period::{Days, storable};
use crate::report::sql::Sql;

/// How many days the calendars of two zones can be apart.
const APART: chrono::Days = chrono::Days::new(2);

/// Whose events, of which days, with which filters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The website.
    pub site: Uuid,
    /// The days, in the website's zone or in `zone`.
    pub days: Days,
    /// The zone of the days, where it is not the website's.
    pub zone: Option<Tz>,
    /// Whether bots count.
    pub include_bots: bool,
    /// Only events of this content group, and only sessions that viewed a page of it.
    pub content_group: Option<String>,
    /// Only events and sessions that pass.
    pub filter: Option<Filter>,
}

impl Scope {
    /// Everything but bots on some days of a website.
    pub fn new(site: Uuid, days: Days) -> Self {
        Self { site, days, zone: None, include_bots: false, content_group: None, filter: None }
    }

    /// The same scope over other days.
    #[must_use]
    pub fn over(&self, days: Days) -> Self {
        Self { days, ..self.clone() }
    }

    /// Gives the query the scope's values. Every text of the core that names a scope uses these names.
    pub(crate) fn bind(&self, query: Query) -> Query {
        let apart = self.apart();
        let start = storable(self.days.start() - apart);
        let mut query = query
            .param("site", self.site)
            .param("start", start.to_string())
            .param("end", storable(self.days.end() + apart).to_string())
            .param("before", self.first_day_read().to_string())
            .param("include_bots", self.include_bots);
        if let Some(zone) = self.zone {
            let (from, until) = calendar::span(self.days, zone);
            query = query.param("from", from).param("until", until);
        }
        if let Some(group) = &self.content_group {
            query = query.param("content_group", group);
        }
        match &self.filter {
            Some(filter) => filter.bind(query),
            None => query,
        }
    }

    /// By how much more days of the table are read: in another zone the days only say which part of it to read.
    fn apart(&self) -> chrono::Days {
        if self.zone.is_some() { APART } else { chrono::Days::new(0) }
    }

    /// The first day of the table that any question about the scope reads: a late event may lie before its session.
    pub(crate) fn first_day_read(&self) -> NaiveDate {
        storable(storable(self.days.start() - self.apart()) - chrono::Days::new(1))
    }

    /// The bytes of its texts.
    pub(crate) fn bytes(&self) -> u64 {
        let group = self.content_group.as_deref().map_or(0, text_bytes);
        group + self.filter.as_ref().map_or(0, Filter::bytes)
    }

    /// Whether anything but days and bots is left out.
    pub(crate) fn is_filtered(&self) -> bool {
        self.content_group.is_some() || self.filter.is_some()
    }

    /// The properties that the scope's filters test.
    pub(crate) fn properties(&self) -> impl Iterator<Item = Property> {
        let group = self.content_group.is_some().then_some(Property::ContentGroup);
        let tested = self.filter.iter().flat_map(|filter| filter.properties().iter().copied());
        group.into_iter().chain(tested)
    }

    /// Which further condition makes a row an event of the scope.
    pub(crate) fn event_filter(&self) -> Vec<&'static str> {
        let mut text = Vec::new();
        if self.content_group.is_some() {
            text.push("content_group = {content_group:String}");
        }
        if let Some(filter) = &self.filter {
            if !text.is_empty() {
                text.push(" AND ");
            }
            text.extend_from_slice(filter.text());
        }
        if text.is_empty() {
            text.push("true");
        }
        text
    }

    /// Fills the slots of a text over `events` that say what makes a row an event of the scope (`$event_range`,
    /// `$of_events`) or a part of a session of it (`$session_range`, `$of_sessions`). What no metric needs is not looked
    /// for.
    pub(crate) fn fill(&self, sql: Sql, metrics: &[Metric]) -> Sql {
        let sql = if metrics.iter().any(|metric| metric.fact() == Fact::OfSessions) {
            self.sessions(sql)
        } else {
            sql.fill("of_sessions", &["false"]).fill("session_range", &["false"])
        };
        let event_range = match self.zone {
            None => "day BETWEEN {start:Date} AND {end:Date}",
            Some(_) => include_str!("event_span.sql"),
        };
        sql.compose("of_events", &self.event_filter()).fill("event_range", &[event_range])
    }

    /// Fills the slots that say what makes a row a part of a session of the scope.
    pub(crate) fn sessions(&self, sql: Sql) -> Sql {
        let filter = self.event_filter();
        let sql = if self.properties().any(Property::is_of_events) {
            // The page of an event is not the page of the others: a session passes by its page views, on whatever day;
            // all its rows count, whatever they are about.
            sql.fill("of_sessions", &[include_str!("sessions_of_filter.sql")]).compose("passes", &filter)
        } else {
            // Every row of a session has the same facts on it.
            sql.compose("of_sessions", &filter)
        };
        let session_range = match self.zone {
            None => "session_day BETWEEN {start:Date} AND {end:Date}",
            Some(_) => include_str!("session_span.sql"),
        };
        sql.fill("session_range", &[session_range])
    }

    /// Which rows of `events` a question must read.
    pub(crate) fn reach(metrics: &[Metric]) -> &'static str {
        let of_sessions = metrics.iter().any(|metric| metric.fact() == Fact::OfSessions);
        // Not of_session alone: what a WHERE demands by itself the server takes for a constant in the SELECT, and then
        // cannot find it there when the set of sessions is empty.
        if of_sessions { "day >= {before:Date} AND (of_event OR of_session)" } else { "of_event" }
    }
}
