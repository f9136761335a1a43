//! A funnel: how many sessions took the first steps of a list, in order.

use std::collections::BTreeMap;

use clickhouse::Row;
use clickhouse::query::Query;
use serde::Deserialize;
use thiserror::Error;

use crate::report::cache::Asked;
use crate::report::ready::Chosen;
use crate::report::scope::Scope;
use crate::report::sql::{self, Sql};
use crate::report::{Answer, ReportError, Reports};

/// The fewest steps: one step alone leads nowhere.
pub const FEWEST_STEPS: usize = 2;

/// The most steps: an event has so many bits for them. Nobody draws longer funnels.
pub const MOST_STEPS: usize = 20;

/// So few steps are compared with an event one by one, which is quicker than to look it up.
const FEW: usize = 4;

/// The parameters of [`COMPARED`].
const PARAMETERS: [&str; FEW] = ["step0", "step1", "step2", "step3"];

/// The bit of each step, where a page or a name is the event's.
const COMPARED: [[&str; 2]; FEW] = [
    [" + (path = {step0:String})", " + (event_name = {step0:String} OR event_type = {step0:String})"],
    [" + (path = {step1:String}) * 2", " + (event_name = {step1:String} OR event_type = {step1:String}) * 2"],
    [" + (path = {step2:String}) * 4", " + (event_name = {step2:String} OR event_type = {step2:String}) * 4"],
    [" + (path = {step3:String}) * 8", " + (event_name = {step3:String} OR event_type = {step3:String}) * 8"],
];

/// A list of steps: one that starts with `/` is a view of that path, any other is an event's type or a custom event's
/// name. Other events may lie between them; each event serves at most one step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Funnel(Vec<String>);

/// A list of steps is too short or too long: see [`FEWEST_STEPS`] and [`MOST_STEPS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a funnel has {FEWEST_STEPS} to {MOST_STEPS} steps")]
pub struct StepsError;

impl Funnel {
    /// A funnel of some steps.
    pub fn new(steps: Vec<String>) -> Result<Self, StepsError> {
        if (FEWEST_STEPS..=MOST_STEPS).contains(&steps.len()) { Ok(Self(steps)) } else { Err(StepsError) }
    }

    /// The steps.
    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// Fills the slot of what an event could be.
    fn could_be(&self, sql: Sql) -> Sql {
        if self.0.len() > FEW {
            return sql.fill("could_be", &[include_str!("funnel_looked_up.sql")]);
        }
        let (mut pages, mut names) = (vec!["(event_type = 'page_view') * (0"], vec![")"]);
        for (step, [page, name]) in self.0.iter().zip(COMPARED) {
            if step.starts_with('/') { pages.push(page) } else { names.push(name) }
        }
        sql.compose("could_be", &[pages, names].concat())
    }

    /// Gives the query its steps.
    fn bind(&self, mut query: Query) -> Query {
        if self.0.len() > FEW {
            // Every event is looked up once, however many steps there are.
            let (paths, path_steps) = self.steps_by_text(|step| step.starts_with('/'));
            let (names, name_steps) = self.steps_by_text(|step| !step.starts_with('/'));
            query = query
                .param("paths", paths)
                .param("path_steps", path_steps)
                .param("names", names)
                .param("name_steps", name_steps);
        } else {
            for (step, parameter) in self.0.iter().zip(PARAMETERS) {
                query = query.param(parameter, step);
            }
        }
        // What an event could be is told by all columns at once, not by one after another.
        sql::by_more_threads(query).with_setting("enable_multiple_prewhere_read_steps", "0")
    }

    /// Some texts, and which steps each of them is: a bit each, since a step may come more than once.
    fn steps_by_text(&self, is_wanted: impl Fn(&str) -> bool) -> (Vec<&str>, Vec<u32>) {
        // The store looks nothing up in an empty list; what has no name is no step.
        let mut steps = BTreeMap::from([("", 0)]);
        for (at, step) in self.0.iter().enumerate().filter(|(_, step)| is_wanted(step)) {
            *steps.entry(step.as_str()).or_default() |= 1 << at;
        }
        steps.into_iter().unzip()
    }
}

/// Sessions that got equally far.
#[derive(Row, Deserialize)]
struct FunnelRow {
    /// How many steps, or [`OPEN`].
    reached: u8,
    sessions: u64,
    /// Of [`OPEN`] ones, some.
    open: Vec<u64>,
}

/// The order of a session's events decides how far it got, and is not known.
const OPEN: u8 = 255;

/// What is known of a session's events: a number of each, in their order.
struct Walk {
    events: &'static str,
    /// Whether the numbers leave a session open.
    is_open: &'static str,
    /// Of which sessions.
    of_sessions: &'static str,
}

/// Events by their times. Nearly no session has two steps in one millisecond, so their places in the stream, a column of
/// large numbers, are not read. Numbers that are that close are of one time, or of two milliseconds that follow each other.
const BY_TIME: Walk = Walk {
    events: "arraySort(groupArray(bitOr(bitShiftLeft(toUnixTimestamp64Milli(time), 21), could_be)))",
    // The first number's difference is 0.
    is_open: "arrayCount(apart -> apart < 0x200000, arrayDifference(walked)) > 1",
    of_sessions: "",
};

/// Events by their times and places: 43 bits and 64.
const BY_PLACE: Walk = Walk {
    events: "arrayMap(event -> toUInt32(event), arraySort(groupArray(bitOr(
            bitShiftLeft(toUInt128(toUnixTimestamp64Milli(time)), 85),
            bitOr(bitShiftLeft(toUInt128(kafka_offset), 21), could_be)
        ))))",
    is_open: "false",
    of_sessions: "",
};

impl Reports {
    /// For each step, the sessions of a scope that got so far.
    pub async fn funnel(&self, scope: &Scope, funnel: &Funnel) -> Result<Answer<Vec<i64>>, ReportError> {
        let ask = async {
            let mut rows = self.walk(scope, funnel, &BY_TIME, &[]).await?;
            if let Some(at) = rows.iter().position(|row| row.reached == OPEN) {
                let FunnelRow { sessions, open, .. } = rows.swap_remove(at);
                if sessions > open.len() as u64 {
                    // A log with whole seconds has many of them.
                    rows = self.walk(scope, funnel, &BY_PLACE, &[]).await?;
                } else {
                    let of_sessions = "AND session_id IN {sessions:Array(UInt64)}";
                    rows.extend(self.walk(scope, funnel, &Walk { of_sessions, ..BY_PLACE }, &open).await?);
                }
            }
            let got = |step: usize| rows.iter().filter(move |row| usize::from(row.reached) > step);
            let sessions: Vec<i64> = (0..funnel.steps().len())
                .map(|step| got(step).map(|row| row.sessions as i64).sum())
                .collect();
            tracing::debug!(site = %scope.site, days = scope.days.count(), steps = sessions.len(),
                "A funnel was counted.");
            Ok(sessions)
        };
        self.kept(Asked::Funnel(scope.clone(), funnel.clone()), &Chosen::events(), ask).await
    }

    /// How many sessions got how far, of all or of some.
    async fn walk(
        &self,
        scope: &Scope,
        funnel: &Funnel,
        walk: &Walk,
        sessions: &[u64],
    ) -> Result<Vec<FunnelRow>, ReportError> {
        let text = funnel
            .could_be(Sql::file(include_str!("funnel.sql")))
            .fill("events", &[walk.events])
            .fill("is_open", &[walk.is_open])
            .fill("some", &[walk.of_sessions])
            .fill("of_bots", &[if scope.include_bots { "true" } else { "NOT is_bot" }]);
        let query = funnel.bind(scope.bind(scope.sessions(text).ask(&self.reader)));
        sql::all(if sessions.is_empty() { query } else { query.param("sessions", sessions) }).await
    }
}
