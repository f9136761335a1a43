//! A breakdown: counts by a dimension, the most frequent first, a page at a time.

use clickhouse::Row;
use clickhouse::query::Query;
use futures::{Stream, TryStreamExt as _};
use serde::Deserialize;

use crate::report::cache::Asked;
use crate::report::dimension::Dimension;
use crate::report::metric::{Counts, Metric};
use crate::report::plan::{Division, Question, Source};
use crate::report::ready::{Chosen, Tables};
use crate::report::scope::Scope;
use crate::report::sql::{self, Sql};
use crate::report::{Answer, Kept, ReportError, Reports};

/// Counts by a dimension. Groups are ordered by the first metric, descending, then by their keys, ascending by bytes;
/// those whose first count is 0 are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Breakdown {
    /// By what.
    pub by: Dimension,
    /// What is counted; the first one orders.
    pub metrics: &'static [Metric],
    /// Whether the group of what has no value, such as no referrer, is left out.
    pub named_only: bool,
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many rows at most.
    pub limit: u64,
    /// How many rows come before.
    pub offset: u64,
}

impl Page {
    /// The whole list; for [`Reports::export`].
    pub const WHOLE: Self = Self { limit: i64::MAX as u64, offset: 0 };
}

/// One group of a breakdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The dimension's values; one, or three for campaigns.
    pub key: Vec<String>,
    /// What names the group further, where the dimension has such a thing; else empty.
    pub label: String,
    /// The group's counts.
    pub counts: Counts,
}

#[derive(Row, Deserialize)]
pub(super) struct GroupRow {
    pub(super) key: Vec<String>,
    pub(super) label: String,
    pub(super) counts: Vec<i64>,
}

impl GroupRow {
    fn into_group(self, metrics: &'static [Metric]) -> Group {
        Group { key: self.key, label: self.label, counts: Counts::new(metrics, self.counts) }
    }
}

impl Reports {
    /// A page of a breakdown of a scope.
    pub async fn breakdown(
        &self,
        scope: &Scope,
        question: Breakdown,
        page: Page,
    ) -> Result<Answer<Vec<Group>>, ReportError> {
        let (query, chosen) = self.query(scope, question, page).await?;
        let source = chosen.source;
        let ask = async {
            let rows: Vec<GroupRow> = sql::all(query).await?;
            tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(),
                by = ?question.by, rows = rows.len(), "A breakdown was counted.");
            Ok(rows.into_iter().map(|row| row.into_group(question.metrics)).collect())
        };
        self.kept(Asked::Breakdown(scope.clone(), question, page), &chosen, ask).await
    }

    /// The same, group by group as the store sends them: a list may be longer than memory has room for. An error may come
    /// after any of them; what the store refuses is refused before the first.
    pub async fn export(
        &self,
        scope: &Scope,
        question: Breakdown,
        page: Page,
    ) -> Result<Answer<impl Stream<Item = Result<Group, ReportError>> + Send + use<>>, ReportError> {
        let (query, Chosen { source, .. }) = self.query(scope, question, page).await?;
        let rows = sql::stream::<GroupRow>(query).await?;
        let groups = rows.map_ok(move |row| row.into_group(question.metrics));
        Ok(Answer { counts: groups, source, kept: Kept::Off })
    }

    async fn query(
        &self,
        scope: &Scope,
        question: Breakdown,
        page: Page,
    ) -> Result<(Query, Chosen), ReportError> {
        let chosen = self.choose(&question.about(scope)).await?;
        Ok((self.built(scope, question, page, &chosen)?, chosen))
    }

    /// The query of a page of a breakdown as the store is asked it when all rollups are whole. It is not asked.
    pub fn planned(&self, scope: &Scope, question: Breakdown, page: Page) -> Result<Query, ReportError> {
        let chosen = self.choose_among(&[question.about(scope)], Tables::default(), |_| true)?;
        self.built(scope, question, page, &chosen)
    }

    fn built(
        &self,
        scope: &Scope,
        question: Breakdown,
        page: Page,
        chosen: &Chosen,
    ) -> Result<Query, ReportError> {
        let Breakdown { by, metrics, named_only } = question;
        let source = chosen.source;
        let text = text_over(source, scope, metrics);
        let columns = by.columns(source);
        let text = text
            .fill("split", &[""])
            .fill("shown", &["[$keys]::Array(String)"])
            .fill("page", &[include_str!("breakdown_page.sql")])
            .fill("keys", columns.keys)
            .fill("label", &[columns.label])
            .fill("rows", &[columns.rows])
            .fill("named", &[if named_only { columns.named } else { "true" }])
            .metrics(metrics, source)?;
        let query = chosen.ask(&text, scope, &self.reader);
        Ok(query.param("limit", page.limit).param("offset", page.offset))
    }
}

impl Breakdown {
    fn about<'s>(&self, scope: &'s Scope) -> Question<'s> {
        Question { scope, metrics: self.metrics, division: Division::By(self.by) }
    }
}

/// What breakdowns of a scope have in common, over a source.
pub(super) fn text_over(source: Source, scope: &Scope, metrics: &[Metric]) -> Sql {
    match (source.rollup(), source) {
        (Some(_), _) => {
            Sql::file(include_str!("breakdown_rollup.sql")).compose("of_events", &scope.event_filter())
        }
        (None, Source::PageFacts) => {
            let facts = Sql::file(include_str!("breakdown_pages.sql"))
                .fill("facts", &[include_str!("page_facts.sql")])
                .fill("reach", &[Scope::reach(metrics)])
                // Days are not told apart.
                .fill("event_bucket", &["0"])
                .fill("session_bucket", &["0"]);
            scope.fill(facts, metrics)
        }
        (None, _) => scope
            .fill(Sql::file(include_str!("breakdown.sql")), metrics)
            .fill("reach", &[Scope::reach(metrics)]),
    }
}
