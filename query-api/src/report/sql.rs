//! SQL: static text with slots for other static text, server-side parameters, and the limits of every query.
//!
//! A slot takes `&'static str` only, so what a caller sent cannot become a part of a query: it travels beside it, as a
//! parameter that the text names by type (`{site:UUID}`).

use clickhouse::Client;
use clickhouse::error::Error;
use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};
use futures::stream::{self, Stream};
use schema::store::StoreUrl;

use crate::report::ReportError;
use crate::report::metric::Metric;
use crate::report::plan::Source;

/// A query's text. `$name` is a slot.
pub(crate) struct Sql(String);

impl Sql {
    /// The text of a file.
    pub(crate) fn file(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// Puts static text into every slot of that name.
    pub(crate) fn fill(self, slot: &'static str, parts: &[&'static str]) -> Self {
        self.list(slot, parts.iter().copied())
    }

    /// Puts a list of static texts into every slot of that name, separated by commas.
    pub(crate) fn list(self, slot: &'static str, parts: impl Iterator<Item = &'static str>) -> Self {
        self.put(slot, &parts.collect::<Vec<_>>().join(",\n        "))
    }

    /// Puts static texts into every slot of that name, one directly after the other.
    pub(crate) fn compose(self, slot: &'static str, parts: &[&'static str]) -> Self {
        self.put(slot, &parts.concat())
    }

    /// Puts the expressions of metrics over a table into the slot `$metrics`.
    pub(crate) fn metrics(self, metrics: &[Metric], source: Source) -> Result<Self, ReportError> {
        let counts = metrics.iter().map(|metric| metric.over(source)).collect::<Option<Vec<_>>>();
        Ok(self.list("metrics", counts.ok_or(ReportError::Unanswerable)?.into_iter()))
    }

    /// Only for what was static before: nothing else in here makes a text.
    fn put(mut self, slot: &'static str, text: &str) -> Self {
        let name = ["$", slot].concat();
        debug_assert!(self.0.contains(&name), "the query has no slot {name}");
        self.0 = self.0.replace(&name, text);
        self
    }

    /// The query, ready for its parameters.
    pub(crate) fn ask(&self, reader: &Reader) -> Query {
        debug_assert!(!self.0.contains('$'), "a slot was left open: {}", self.0);
        reader.client.query_raw(&self.0)
    }
}

/// What one query may cost. The store ends a query that passes a limit, and the caller is told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Seconds. A report is looked at by a person, who has gone by then.
    pub seconds: u32,
    /// Bytes of memory on the server. Several reports at once must fit beside the inserts of a small machine.
    pub memory: u64,
    /// Rows read. Some seconds of reading; a website of five million events a day for a year.
    pub rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { seconds: 20, memory: 2 << 30, rows: 2_000_000_000 }
    }
}

/// A client that can read and nothing else, under [`Limits`].
#[derive(Clone)]
pub(crate) struct Reader {
    client: Client,
}

impl Reader {
    pub(crate) fn new(store: &StoreUrl, limits: Limits) -> Self {
        let client = store
            .client()
            // Reads only; settings may be given, which 1 would forbid.
            .with_setting("readonly", "2")
            // A caller who has gone does not keep the server busy.
            .with_setting("cancel_http_readonly_queries_on_client_close", "1")
            .with_setting("max_execution_time", limits.seconds.to_string())
            .with_setting("max_memory_usage", limits.memory.to_string())
            .with_setting("max_rows_to_read", limits.rows.to_string())
            // There are none, and looking for one takes a tenth of a small question's time.
            .with_setting("optimize_use_projections", "0")
            // A page has at most some hundred rows; what is more is a mistake of ours, but for exports.
            .with_setting("max_result_rows", "100000");
        Self { client }
    }
}

/// The query, of which already some ten thousand rows are shared out to several threads. Of a website's events it takes longer
/// to read them than to wake a thread.
pub(crate) fn by_more_threads(query: Query) -> Query {
    query
        .with_setting("merge_tree_min_rows_for_concurrent_read", "65536")
        .with_setting("merge_tree_min_bytes_for_concurrent_read", "1")
}

/// The rows of a query.
pub(crate) async fn all<T: RowOwned + RowRead>(query: Query) -> Result<Vec<T>, ReportError> {
    query.fetch_all().await.map_err(classify)
}

/// Seconds of an export: as long as its reader takes, who may be slow.
const EXPORT_SECONDS: &str = "300";

/// The rows of a query as the server sends them, one after another. The first has come when this returns.
pub(crate) async fn stream<T: RowOwned + RowRead + Send>(
    query: Query,
) -> Result<impl Stream<Item = Result<T, ReportError>> + Send + use<T>, ReportError> {
    let mut cursor = query
        .with_setting("max_result_rows", "0")
        .with_setting("max_execution_time", EXPORT_SECONDS)
        .fetch::<T>()
        .map_err(classify)?;
    let first = cursor.next().await.map_err(classify)?;
    Ok(stream::try_unfold((first, cursor), async |(row, mut cursor)| {
        let Some(row) = row else { return Ok(None) };
        let next = cursor.next().await.map_err(classify)?;
        Ok(Some((row, (next, cursor))))
    }))
}

/// The one row of a query.
pub(crate) async fn one<T: RowOwned + RowRead>(query: Query) -> Result<T, ReportError> {
    query.fetch_one().await.map_err(classify)
}

/// The names of the server's errors for a query that passed a limit.
const LIMIT_ERRORS: [&str; 6] = [
    "TIMEOUT_EXCEEDED",
    "TOO_SLOW",
    "MEMORY_LIMIT_EXCEEDED",
    "TOO_MANY_ROWS",
    "TOO_MANY_BYTES",
    "TOO_MANY_ROWS_OR_BYTES",
];

/// The names of the server's errors that pass by themselves.
const PASSING_ERRORS: [&str; 4] =
    ["TOO_MANY_SIMULTANEOUS_QUERIES", "SERVER_OVERLOADED", "ALL_CONNECTION_TRIES_FAILED", "NETWORK_ERROR"];

fn classify(error: Error) -> ReportError {
    let named = |names: &[&str], text: &str| names.iter().any(|name| text.contains(name));
    match error {
        Error::Network(_) | Error::TimedOut => ReportError::Unavailable(error),
        Error::BadResponse(ref text) if named(&LIMIT_ERRORS, text) => ReportError::TooCostly(error),
        Error::BadResponse(ref text) if named(&PASSING_ERRORS, text) => ReportError::Unavailable(error),
        _ => ReportError::Refused(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_filled_wherever_it_is_named() {
        let sql = Sql::file("SELECT [$metrics] FROM t GROUP BY $key ORDER BY $key")
            .list("metrics", ["sum(a)", "sum(b)"].into_iter())
            .fill("key", &["path"]);
        assert_eq!(sql.0, "SELECT [sum(a),\n        sum(b)] FROM t GROUP BY path ORDER BY path");
    }

    #[test]
    fn the_servers_errors_are_told_apart() {
        let answered = |text: &str| classify(Error::BadResponse(text.to_owned()));
        assert!(matches!(answered("Code: 241. … (MEMORY_LIMIT_EXCEEDED)"), ReportError::TooCostly(_)));
        assert!(matches!(
            answered("Code: 202. … (TOO_MANY_SIMULTANEOUS_QUERIES)"),
            ReportError::Unavailable(_)
        ));
        assert!(matches!(answered("Code: 47. … (UNKNOWN_IDENTIFIER)"), ReportError::Refused(_)));
        assert!(matches!(classify(Error::TimedOut), ReportError::Unavailable(_)));
    }
}
