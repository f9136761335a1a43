//! Tables for spreadsheets: `format=csv`.

use axum::response::{IntoResponse, Response};
use http::header;
use service::Problem;

use crate::report::Days;

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

/// The table as a download, named after the report and its days.
pub(super) fn download<R: IntoIterator<Item = Cell>>(
    report: &str,
    days: Days,
    columns: &[&str],
    rows: Vec<R>,
) -> Result<Response, Problem> {
    let table = write(columns, rows).map_err(Problem::internal)?;
    let name = format!("attachment; filename=\"{report}-{}-{}.csv\"", days.start(), days.end());
    Ok((
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)],
        table,
    )
        .into_response())
}

fn write<R: IntoIterator<Item = Cell>>(
    columns: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(row.into_iter().map(Cell::into_text))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_formulas_are_not_run() {
        let rows = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "/a,b", "/say \"x\"", "/plain"]
            .map(|text| [Cell::Text(text.to_owned()), Cell::number(&-4)]);
        let table = String::from_utf8(write(&["path", "count"], rows).unwrap()).unwrap();
        assert_eq!(
            table,
            "path,count\n'=1+1,-4\n'+1,-4\n'-1,-4\n'@x,-4\n'\t=1,-4\n\"'\r=1\",-4\n\"/a,b\",-4\n\"/say \"\"x\"\"\",-4\n/plain,-4\n"
        );
    }

    #[test]
    fn a_missing_number_is_an_empty_cell() {
        let row = [Cell::optional(Some(2)), Cell::optional(None::<i64>)];
        assert_eq!(write(&["a", "b"], [row]).unwrap(), b"a,b\n2,\n");
    }
}
