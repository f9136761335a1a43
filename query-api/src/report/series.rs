//! A series: counts by day, of the whole scope or of one page of it.

use std::collections::HashMap;

use chrono::{Days as Count, NaiveDate};
use clickhouse::Row;
use serde::Deserialize;

use crate::report::cache::Asked;
use crate::report::calendar;
use crate::report::metric::{Counts, Metric};
use crate::report::period::day_from_epoch;
use crate::report::plan::{Division, Question, Source};
use crate::report::scope::Scope;
use crate::report::sql::{self, Sql};
use crate::report::{Answer, ReportError, Reports};

/// Counts by day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Series {
    /// Of this page only; metrics are then meant by page, see [`Metric`].
    pub path: Option<String>,
    /// What is counted.
    pub metrics: &'static [Metric],
}

/// The buckets of rows in the website's own days: days since 1970.
const OWN_DAYS: [&str; 2] = ["toInt64(day)", "toInt64(session_day)"];

/// The same in another zone: when the day began, in seconds since 1970.
const OTHER_DAYS: [&str; 2] = [
    "toInt64(roundDown(intDiv(toUnixTimestamp64Milli(time), 1000), {bounds:Array(Int64)}))",
    "toInt64(roundDown(intDiv(toUnixTimestamp64Milli(session_start), 1000), {bounds:Array(Int64)}))",
];

#[derive(Row, Deserialize)]
struct BucketRow {
    bucket: i64,
    counts: Vec<i64>,
}

impl Reports {
    /// The counts of every day of a scope, in order; those of days without data are 0.
    pub async fn series(
        &self,
        scope: &Scope,
        asked: &Series,
    ) -> Result<Answer<Vec<(NaiveDate, Counts)>>, ReportError> {
        let Series { path, metrics } = asked;
        let division = if path.is_some() { Division::DaysOfPage } else { Division::Days };
        let chosen = self.choose(&Question { scope, metrics, division }).await?;
        let source = chosen.source;
        let text = match (source.rollup(), source) {
            (Some(_), _) => {
                Sql::file(include_str!("series_rollup.sql")).compose("of_events", &scope.event_filter())
            }
            (None, Source::PageFacts) => {
                let facts = Sql::file(include_str!("series_pages.sql"))
                    .fill("facts", &[include_str!("page_facts.sql")])
                    .fill("reach", &[Scope::reach(metrics)]);
                by_day(scope, facts, metrics)
            }
            (None, _) => by_day(scope, Sql::file(include_str!("series.sql")), metrics),
        };
        let rows = match (path, source) {
            (None, _) => "true",
            (Some(_), Source::PartOfEvents) => "event_type = 'page_view' AND path = {path:String}",
            (Some(_), _) => "path = {path:String}",
        };
        let text = text.fill("rows", &[rows]).metrics(metrics, source)?;
        let bounds = scope.zone.map(|zone| calendar::bounds(scope.days, zone));
        let ask = async {
            let mut query = chosen.ask(&text, scope, &self.reader);
            if let Some(path) = path {
                query = query.param("path", path);
            }
            if let Some(bounds) = &bounds {
                query = query.param("bounds", bounds);
            }
            let rows: Vec<BucketRow> = sql::all(query).await?;
            tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(),
                "A series was counted.");
            Ok(whole(scope, metrics, rows, bounds.as_deref()))
        };
        self.kept(Asked::Series(scope.clone(), asked.clone()), &chosen, ask).await
    }
}

/// The counts of every day of the scope, in order.
fn whole(
    scope: &Scope,
    metrics: &'static [Metric],
    rows: Vec<BucketRow>,
    bounds: Option<&[i64]>,
) -> Vec<(NaiveDate, Counts)> {
    let mut counted: HashMap<NaiveDate, Vec<i64>> = HashMap::with_capacity(rows.len());
    for row in rows {
        let day = match bounds {
            None => day_from_epoch(row.bucket),
            // Of days that begin at once the last one is not empty.
            Some(bounds) => {
                let after = bounds.partition_point(|bound| *bound <= row.bucket);
                scope.days.start() + Count::new(after.saturating_sub(1) as u64)
            }
        };
        counted.insert(day, row.counts);
    }
    let days = scope.days.start().iter_days().take_while(|day| *day <= scope.days.end());
    days.map(|day| (day, Counts::new(metrics, counted.remove(&day).unwrap_or_default()))).collect()
}

/// Fills what makes a row of `events` a row of a scope, and of which day.
fn by_day(scope: &Scope, text: Sql, metrics: &[Metric]) -> Sql {
    let [of_events, of_sessions] = if scope.zone.is_some() { OTHER_DAYS } else { OWN_DAYS };
    scope.fill(text, metrics).fill("event_bucket", &[of_events]).fill("session_bucket", &[of_sessions])
}
