//! Several breakdowns of one scope at once: where a rollup answers, the store is asked once. What a small question costs is
//! mostly that it is asked.

use crate::report::breakdown::{Breakdown, Group, GroupRow, Page, text_over};
use crate::report::cache::Asked;
use crate::report::dimension::{Columns, Dimension};
use crate::report::metric::{Counts, Metric};
use crate::report::plan::{Division, Question};
use crate::report::scope::Scope;
use crate::report::sql;
use crate::report::{Answer, Kept, ReportError, Reports};

/// One of several lists: groups by a dimension, ordered by a count as those of a
/// [`Breakdown`](crate::report::Breakdown).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct List {
    /// By what.
    pub by: Dimension,
    /// What is counted; a place in the metrics of all lists.
    pub metric: usize,
}

impl Reports {
    /// A page of each of some lists of a scope, in their order. All must be of the same kind of rows, or none of views alone;
    /// each by a dimension that is one text.
    pub async fn lists(
        &self,
        scope: &Scope,
        lists: &'static [List],
        metrics: &'static [Metric],
        page: Page,
    ) -> Result<Answer<Vec<Vec<Group>>>, ReportError> {
        let question = |list: &List| Question { scope, metrics, division: Division::By(list.by) };
        let questions: Vec<_> = lists.iter().map(question).collect();
        let chosen = self.choose_for_all(&questions).await?;
        let source = chosen.source;
        if source.rollup().is_none() {
            // So many rows are split more slowly than they are read again.
            let each = lists.iter().map(|list| {
                let metrics = metrics.get(list.metric..=list.metric).unwrap_or_default();
                self.breakdown(scope, Breakdown { by: list.by, metrics, named_only: false }, page)
            });
            let answers = futures::future::try_join_all(each).await?;
            let kept = answers.iter().map(|answer| answer.kept).reduce(Kept::and).unwrap_or(Kept::Off);
            return Ok(Answer {
                counts: answers.into_iter().map(|answer| answer.counts).collect(),
                source,
                kept,
            });
        }
        let columns: Vec<_> = lists.iter().map(|list| list.by.columns(source)).collect();
        let rows = columns.first().map_or("true", |columns| columns.rows);
        if columns.iter().any(|columns| columns.rows != rows) {
            return Err(ReportError::Unanswerable);
        }
        // One text per key is read in half of the time that a list of texts would take.
        let key = |columns: &Columns| if let [key] = columns.keys { Some(*key) } else { None };
        let keys: Vec<_> = columns.iter().map(key).collect::<Option<_>>().ok_or(ReportError::Unanswerable)?;
        let text = text_over(source, scope, metrics)
            .fill("split", &[include_str!("lists_split.sql")])
            .fill("lists", &keys)
            .fill("shown", &["[toString(at), key_of_list]"])
            .fill("page", &[include_str!("lists_page.sql")])
            .fill("keys", &["at", "key_of_list"])
            .fill("label", &["''"])
            .fill("rows", &[rows])
            .fill("named", &["true"])
            .metrics(metrics, source)?;
        // The store counts from 1.
        let ordered_by: Vec<u8> = lists.iter().map(|list| list.metric as u8 + 1).collect();
        let query = chosen
            .ask(&text, scope, &self.reader)
            .param("ordered_by", ordered_by)
            .param("limit", page.limit)
            .param("offset", page.offset);
        let ask = async {
            let rows: Vec<GroupRow> = sql::all(query).await?;
            tracing::debug!(site = %scope.site, days = scope.days.count(), source = source.name(), rows = rows.len(),
                "Lists were counted.");
            let mut counts = vec![Vec::new(); lists.len()];
            for GroupRow { mut key, label, counts: values } in rows {
                let at = if key.is_empty() { None } else { key.remove(0).parse::<usize>().ok() };
                if let Some(list) = at.and_then(|at| counts.get_mut(at.checked_sub(1)?)) {
                    list.push(Group { key, label, counts: Counts::new(metrics, values) });
                }
            }
            Ok(counts)
        };
        self.kept(Asked::Lists(scope.clone(), lists, metrics, page), &chosen, ask).await
    }
}
