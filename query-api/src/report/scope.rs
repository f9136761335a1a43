//! Whose events, of which days, with which filters: what every question is asked about.
//!
//! A surface parses its parameters once and raises them to a scope; after that nobody can tell which API asked.

use clickhouse::query::Query;
use uuid::Uuid;

use crate::report::metric::{Fact, Metric};
use crate::report::period::{Days, storable};

/// Whose events, of which days, with which filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The website.
    pub site: Uuid,
    /// The days, in the website's zone.
    pub days: Days,
    /// Whether bots count.
    pub include_bots: bool,
    /// Only events of this content group, and only sessions that viewed a page of it.
    pub content_group: Option<String>,
}

impl Scope {
    /// The same scope over other days.
    #[must_use]
    pub fn over(&self, days: Days) -> Self {
        Self { days, ..self.clone() }
    }

    /// Gives the query the scope's values. Every text of the core that names a scope uses these names.
    pub(crate) fn bind(&self, query: Query) -> Query {
        let start = storable(self.days.start());
        let query = query
            .param("site", self.site)
            .param("start", start.to_string())
            .param("end", storable(self.days.end()).to_string())
            .param("before", storable(start - chrono::Days::new(1)).to_string())
            .param("include_bots", self.include_bots);
        match &self.content_group {
            Some(group) => query.param("content_group", group),
            None => query,
        }
    }

    /// Which further condition makes a row an event of the scope.
    pub(crate) fn event_filter(&self) -> &'static str {
        match self.content_group {
            Some(_) => "content_group = {content_group:String}",
            None => "true",
        }
    }

    /// Which further condition makes a row a part of a session of the scope. A session of a content group is one that
    /// viewed a page of it, on whatever day; all its rows count, whatever they are about.
    pub(crate) fn session_filter(&self) -> &'static str {
        match self.content_group {
            Some(_) => include_str!("sessions_of_group.sql"),
            None => "true",
        }
    }

    /// Which rows of `events` a question must read.
    pub(crate) fn reach(metrics: &[Metric]) -> &'static str {
        let asked = |fact| metrics.iter().any(|metric| metric.fact() == fact);
        match (asked(Fact::OfEvents), asked(Fact::OfSessions)) {
            (true, true) => "day >= {before:Date} AND (of_event OR of_session)",
            (false, true) => "day >= {before:Date} AND of_session",
            (_, false) => "of_event",
        }
    }
}
