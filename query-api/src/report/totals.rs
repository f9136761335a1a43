//! Totals: one count per metric, over all of a scope.

use clickhouse::Row;
use serde::Deserialize;

use crate::report::cache::Asked;
use crate::report::metric::{Counts, Metric};
use crate::report::plan::{Division, IDENTIFIED, Question, Source};
use crate::report::ready::Chosen;
use crate::report::scope::Scope;
use crate::report::sql::{self, Sql};
use crate::report::{Answer, ReportError, Reports};

#[derive(Row, Deserialize)]
struct TotalsRow {
    counts: Vec<i64>,
}

#[derive(Row, Deserialize)]
struct IdentifiedRow {
    visitors: i64,
}

impl Reports {
    /// The metrics' totals over a scope.
    pub async fn totals(
        &self,
        scope: &Scope,
        metrics: &'static [Metric],
    ) -> Result<Answer<Counts>, ReportError> {
        let chosen = self.choose(&Question { scope, metrics, division: Division::Whole }).await?;
        let (values, kept) = match self.choose_for_the_rest(scope, metrics, chosen.source).await {
            None => {
                let answer = self.count(scope, metrics, &chosen).await?;
                (answer.counts, answer.kept)
            }
            Some((rest, of_rest)) => {
                let visitors = self.count(scope, &[Metric::UniqueVisitors], &chosen);
                let (visitors, others) = futures::try_join!(visitors, self.count(scope, &rest, &of_rest))?;
                let kept = visitors.kept.and(others.kept);
                let mut others = others.counts.into_iter();
                let visitors = visitors.counts.into_iter().sum();
                let value = |metric: &Metric| match metric {
                    Metric::UniqueVisitors => visitors,
                    _ => others.next().unwrap_or_default(),
                };
                (metrics.iter().map(value).collect(), kept)
            }
        };
        Ok(Answer { counts: Counts::new(metrics, values), source: chosen.source, kept })
    }

    /// Who visited a part of a website is known to the events alone. Where a rollup has everything else, the events are read
    /// for that only: the other metrics, and the rollup that has them.
    async fn choose_for_the_rest(
        &self,
        scope: &Scope,
        metrics: &[Metric],
        source: Source,
    ) -> Option<(Vec<Metric>, Chosen)> {
        let rest: Vec<_> =
            metrics.iter().copied().filter(|metric| *metric != Metric::UniqueVisitors).collect();
        if source != Source::PartOfEvents || rest.is_empty() || rest.len() == metrics.len() {
            return None;
        }
        let of_rest =
            self.choose(&Question { scope, metrics: &rest, division: Division::Whole }).await.ok()?;
        of_rest.source.rollup().map(|_| (rest, of_rest))
    }

    async fn count(
        &self,
        scope: &Scope,
        metrics: &[Metric],
        chosen: &Chosen,
    ) -> Result<Answer<Vec<i64>>, ReportError> {
        let source = chosen.source;
        let text = match source.rollup() {
            Some(_) => {
                Sql::file(include_str!("totals_rollup.sql")).compose("of_events", &scope.event_filter())
            }
            None => scope
                .fill(Sql::file(include_str!("totals.sql")), metrics)
                .fill("reach", &[Scope::reach(metrics)]),
        };
        let text = text.metrics(metrics, source)?;
        let ask = async {
            let row = sql::one::<TotalsRow>(chosen.ask(&text, scope, &self.reader));
            let identified = Box::pin(self.identified(scope, metrics, chosen));
            let (TotalsRow { mut counts }, identified) = futures::try_join!(row, identified)?;
            for (count, _) in
                counts.iter_mut().zip(metrics).filter(|(_, metric)| **metric == Metric::UniqueVisitors)
            {
                *count += identified;
            }
            tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(),
                "Totals were counted.");
            Ok(counts)
        };
        self.kept(Asked::Totals(scope.clone(), metrics.to_vec()), chosen, ask).await
    }

    /// The visitors of a scope that the chosen table lacks.
    async fn identified(
        &self,
        scope: &Scope,
        metrics: &[Metric],
        chosen: &Chosen,
    ) -> Result<i64, ReportError> {
        if !chosen.source.lacks_identified(metrics) {
            return Ok(0);
        }
        let query = scope
            .bind(Sql::file(include_str!("identified.sql")).ask(&self.reader))
            .param("table", chosen.tables.of(IDENTIFIED).unwrap_or(IDENTIFIED))
            .with_setting("optimize_move_to_prewhere", "0");
        let IdentifiedRow { visitors } = sql::one(query).await?;
        Ok(visitors)
    }
}
