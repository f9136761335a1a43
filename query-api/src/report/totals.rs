//! Totals: one count per metric, over all of a scope.

use clickhouse::Row;
use serde::Deserialize;

use crate::report::metric::{Counts, Metric};
use crate::report::plan::{self, Source};
use crate::report::scope::Scope;
use crate::report::sql::{self, Sql};
use crate::report::{Answer, ReportError, Reports};

#[derive(Row, Deserialize)]
struct TotalsRow {
    counts: Vec<i64>,
}

impl Reports {
    /// The metrics' totals over a scope.
    pub async fn totals(
        &self,
        scope: &Scope,
        metrics: &'static [Metric],
    ) -> Result<Answer<Counts>, ReportError> {
        let source = self.source(plan::totals(scope, self.prefer)).await;
        let text = match source {
            Source::SiteTotals => Sql::file(include_str!("totals_rollup.sql")),
            Source::Events | Source::PartOfEvents => Sql::file(include_str!("totals.sql"))
                .fill("of_events", &[scope.event_filter()])
                .fill("of_sessions", &[scope.session_filter()])
                .fill("reach", &[Scope::reach(metrics)]),
        };
        let text = text.list("metrics", metrics.iter().map(|metric| metric.over(source)));
        let row: TotalsRow = sql::one(scope.bind(text.ask(&self.reader))).await?;
        tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(), "Totals were counted.");
        Ok(Answer { counts: Counts::new(metrics, row.counts), source })
    }
}
