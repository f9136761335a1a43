//! Totals: one count per metric, over all of a scope.

use clickhouse::Row;
use serde::Deserialize;

use crate::report::cache::Asked;
use crate::report::metric::{Counts, Metric};
use crate::report::plan::{Division, Question};
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
        let source = self.source(&Question { scope, metrics, division: Division::Whole }).await?;
        let text = match source.rollup() {
            Some(rollup) => Sql::file(include_str!("totals_rollup.sql"))
                .fill("table", &[rollup])
                .compose("of_events", &scope.event_filter()),
            None => scope
                .fill(Sql::file(include_str!("totals.sql")), metrics)
                .fill("reach", &[Scope::reach(metrics)]),
        };
        let text = text.metrics(metrics, source)?;
        let ask = async {
            let row: TotalsRow = sql::one(scope.bind(text.ask(&self.reader))).await?;
            tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(),
                "Totals were counted.");
            Ok(Counts::new(metrics, row.counts))
        };
        self.kept(Asked::Totals(scope.clone(), metrics), source, ask).await
    }
}
