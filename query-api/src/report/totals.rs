//! Totals: one count per metric, over all of a scope.

use clickhouse::Row;
use serde::Deserialize;

use crate::report::metric::{Counts, Metric};
use crate::report::plan::{Division, Question, Source};
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
        let values = match self.source_of_the_rest(scope, metrics, source).await {
            None => self.count(scope, metrics, source).await?,
            Some((rest, of_rest)) => {
                let visitors = self.count(scope, &[Metric::UniqueVisitors], source);
                let (visitors, counts) = futures::try_join!(visitors, self.count(scope, &rest, of_rest))?;
                let mut counts = counts.into_iter();
                let visitors = visitors.into_iter().sum();
                let value = |metric: &Metric| match metric {
                    Metric::UniqueVisitors => visitors,
                    _ => counts.next().unwrap_or_default(),
                };
                metrics.iter().map(value).collect()
            }
        };
        tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(), "Totals were counted.");
        Ok(Answer { counts: Counts::new(metrics, values), source })
    }

    /// Who visited a part of a website is known to the events alone. Where a rollup has everything else, the events are read
    /// for that only: the other metrics, and the rollup that has them.
    async fn source_of_the_rest(
        &self,
        scope: &Scope,
        metrics: &[Metric],
        source: Source,
    ) -> Option<(Vec<Metric>, Source)> {
        let rest: Vec<_> =
            metrics.iter().copied().filter(|metric| *metric != Metric::UniqueVisitors).collect();
        if source != Source::PartOfEvents || rest.is_empty() || rest.len() == metrics.len() {
            return None;
        }
        let of_rest =
            self.source(&Question { scope, metrics: &rest, division: Division::Whole }).await.ok()?;
        of_rest.rollup().map(|_| (rest, of_rest))
    }

    async fn count(
        &self,
        scope: &Scope,
        metrics: &[Metric],
        source: Source,
    ) -> Result<Vec<i64>, ReportError> {
        let text = match source.rollup() {
            Some(rollup) => Sql::file(include_str!("totals_rollup.sql"))
                .fill("table", &[rollup])
                .compose("of_events", &scope.event_filter()),
            None => scope
                .fill(Sql::file(include_str!("totals.sql")), metrics)
                .fill("reach", &[Scope::reach(metrics)]),
        };
        let text = text.metrics(metrics, source)?;
        let row: TotalsRow = sql::one(scope.bind(text.ask(&self.reader))).await?;
        Ok(row.counts)
    }
}
