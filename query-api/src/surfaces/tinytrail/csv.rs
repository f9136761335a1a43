//! Tables for spreadsheets: `format=csv`.

use std::error::Error;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt as _};
use http::header;
use service::Problem;
use thiserror::Error;

use crate::report::{Days, ReportError};

/// A cell: a number stays a number, a text is made safe.
pub(super) enum Cell {
    /// A number, or the empty cell.
    Number(String),
    /// A text that somebody else wrote.
    Text(String),
}

impl Cell {
    pub(super) fn number(value: &impl ToString) -> Self {
        Self::Number(value.to_string())
    }

    /// A number that may be missing: the empty cell.
    pub(super) fn optional(value: Option<impl ToString>) -> Self {
        Self::Number(value.map(|value| value.to_string()).unwrap_or_default())
    }

    fn into_text(self) -> String {
        match self {
            Self::Number(text) => text,
            Self::Text(text) => neutral(text),
        }
    }
}

/// A text that a spreadsheet would read as a formula gets an apostrophe: a visitor chooses paths and names.
fn neutral(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { ["'", &text].concat() } else { text }
}

/// Rows that are written at once: what is ready, up to this many.
const ROWS: usize = 256;

/// The table as a download, named after the report and its days: written as the rows come, so that it takes no more memory
/// however long it is. When rows stop coming the connection is cut: a table that ends looks whole.
pub(super) fn download<R: IntoIterator<Item = Cell> + 'static>(
    report: &str,
    days: Days,
    columns: &[&str],
    rows: impl Stream<Item = Result<R, ReportError>> + Send + 'static,
) -> Result<Response, Problem> {
    let head = write([columns.iter().copied()]).map_err(Problem::internal)?;
    let name = format!("attachment; filename=\"{report}-{}-{}.csv\"", days.start(), days.end());
    let body = Body::from_stream(stream::iter([Ok(head)]).chain(rows.ready_chunks(ROWS).map(lines)));
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)],
        body,
    )
        .into_response())
}

/// Some rows of the table; nothing of them when one is an error.
fn lines<R: IntoIterator<Item = Cell>>(rows: Vec<Result<R, ReportError>>) -> Result<Bytes, TableError> {
    let written = || {
        let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(write(rows.into_iter().map(|row| row.into_iter().map(Cell::into_text)))?)
    };
    written().inspect_err(|error: &TableError| {
        tracing::error!(cause = %causes(error), "A table could not be finished; its connection is cut.");
    })
}

/// Why a table was not finished.
#[derive(Debug, Error)]
enum TableError {
    #[error("its rows stopped coming")]
    Rows(#[from] ReportError),
    #[error("a row could not be written")]
    Row(#[from] csv::Error),
}

/// An error with its causes, for the log.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = [&text, ": ", &error.to_string()].concat();
        cause = error.source();
    }
    text
}

fn write<T: AsRef<[u8]>>(
    rows: impl IntoIterator<Item = impl IntoIterator<Item = T>>,
) -> Result<Bytes, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The bytes of a table, and whether it was finished.
    async fn read(
        rows: impl Stream<Item = Result<[Cell; 2], ReportError>> + Send + 'static,
    ) -> (String, bool) {
        let days = Days::between("2026-03-01".parse().unwrap(), "2026-03-01".parse().unwrap()).unwrap();
        let response = download("pages", days, &["path", "count"], rows).unwrap();
        let mut body = response.into_body().into_data_stream();
        let mut table = Vec::new();
        loop {
            match body.next().await {
                Some(Ok(chunk)) => table.extend_from_slice(&chunk),
                Some(Err(_)) => return (String::from_utf8(table).unwrap(), false),
                None => return (String::from_utf8(table).unwrap(), true),
            }
        }
    }

    #[tokio::test]
    async fn texts_are_quoted_and_formulas_are_not_run() {
        let rows = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "/a,b", "/say \"x\"", "/plain"]
            .map(|text| Ok([Cell::Text(text.to_owned()), Cell::number(&-4)]));
        let table = "path,count\n'=1+1,-4\n'+1,-4\n'-1,-4\n'@x,-4\n'\t=1,-4\n\"'\r=1\",-4\n\"/a,b\",-4\n\"/say \"\"x\"\"\",-4\n/plain,-4\n";
        assert_eq!(read(stream::iter(rows)).await, (table.to_owned(), true));
    }

    #[tokio::test]
    async fn a_missing_number_is_an_empty_cell() {
        let row = [Cell::optional(Some(2)), Cell::optional(None::<i64>)];
        assert_eq!(read(stream::iter([Ok(row)])).await, ("path,count\n2,\n".to_owned(), true));
    }

    #[tokio::test]
    async fn a_table_that_stops_is_not_finished() {
        let row = |number: i64| Ok([Cell::Text("/".into()), Cell::number(&number)]);
        let broken = stream::iter((0..1000).map(row)).chain(stream::iter([Err(ReportError::Unanswerable)]));
        let (table, is_finished) = read(broken).await;
        assert!(!is_finished);
        assert!(table.starts_with("path,count\n/,0\n") && table.ends_with('\n'), "{table}");
    }

    #[tokio::test]
    async fn no_more_rows_are_taken_than_are_written_at_once() {
        const LONG: usize = 100_000;
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let rows = stream::iter(0..LONG).map(move |number| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok([Cell::Text("/".repeat(100)), Cell::number(&number)])
        });
        let days = Days::between("2026-03-01".parse().unwrap(), "2026-03-01".parse().unwrap()).unwrap();
        let mut body =
            download("pages", days, &["path", "count"], rows).unwrap().into_body().into_data_stream();
        let (mut bytes, mut chunks) = (0, 0);
        while let Some(chunk) = body.next().await {
            let chunk = chunk.unwrap();
            bytes += chunk.len();
            // The first has the names of the columns.
            assert_eq!(taken.load(Ordering::Relaxed), (chunks * ROWS).min(LONG));
            assert!(chunk.len() <= ROWS * 120, "{}", chunk.len());
            chunks += 1;
        }
        assert!(bytes > LONG * 100, "{bytes}");
    }
}
