//! Marks: two reads of a table at the same mark see the same rows.
//!
//! A MergeTree table is a set of parts that never change. What is inserted is a part more (a loader's block, a rebuild's
//! correction, a backfill); what is deleted or changed makes other parts of those it was in; a merge makes one of several,
//! which changes no row and still gives another mark. So the set of the parts, each by its name and the hash of its
//! files, is what is stored; the server tells it from memory. Of a rollup it is the table that was chosen: another one that takes its
//! place has other marks.
//!
//! No state of a table comes back: numbers of blocks and of mutations only rise. (Whoever takes parts away by hand, with
//! `DROP PARTITION` or `TRUNCATE`, should restart the programs that answer reports.)
//!
//! Only days count that a question reads: what comes in today does not touch a question about last month. Tables whose
//! parts lie elsewhere (a cluster's `Distributed` ones), or on several servers, have no mark.

use std::sync::Arc;
use std::time::Instant;

use clickhouse::Row;
use schema::rollup::ROLLUPS;
use schema::store::StoreUrl;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::report::ReportError;
use crate::report::sql::{self, Limits, Reader, Sql};

/// The table of the events; the others are rollups.
pub(crate) const EVENTS: &str = "events";

/// A part, or a table.
#[derive(Debug, Clone, Row, Deserialize)]
struct Piece {
    name: String,
    is_table: bool,
    first_day: u16,
    last_day: u16,
    mark: u128,
}

/// Everything that reports are counted from, at one moment.
#[derive(Debug)]
pub(crate) struct Pieces(Vec<Piece>);

impl Pieces {
    /// The mark of some tables' rows of some days; `None` when one of them is not here, so that nobody can tell.
    pub(crate) fn mark(&self, tables: &[&str], first_day: u16, last_day: u16) -> Option<u128> {
        let is_here = |table: &&str| self.0.iter().any(|piece| piece.is_table && piece.name == **table);
        if !tables.iter().all(is_here) {
            return None;
        }
        let pieces = self.0.iter().filter(|piece| tables.contains(&&*piece.name));
        let touched = pieces.filter(|piece| piece.first_day <= last_day && first_day <= piece.last_day);
        // Whatever order the server lists them in. Each is a hash of 128 bits; no two are equal.
        Some(touched.fold(0, |sum: u128, piece| sum.wrapping_add(piece.mark)))
    }
}

/// What was read last, and when that began.
struct Read {
    began: Instant,
    pieces: Arc<Pieces>,
}

/// Reads pieces.
pub(crate) struct Marks {
    reader: Reader,
    last: Mutex<Option<Read>>,
}

impl Marks {
    pub(crate) fn new(store: &StoreUrl) -> Self {
        Self { reader: Reader::new(store, Limits::default()), last: Mutex::default() }
    }

    /// The pieces as they are now: read by a query that began after this call did. Who comes while one is under way
    /// shares the next with everybody else who does.
    pub(crate) async fn now(&self) -> Result<Arc<Pieces>, ReportError> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if let Some(read) = last.as_ref().filter(|read| read.began >= asked) {
            return Ok(Arc::clone(&read.pieces));
        }
        let began = Instant::now();
        let names: Vec<&str> = ROLLUPS.iter().map(|rollup| rollup.name).chain([EVENTS]).collect();
        let query = Sql::file(include_str!("marks.sql")).ask(&self.reader).param("names", names);
        let pieces = Arc::new(Pieces(sql::all(query).await?));
        *last = Some(Read { began, pieces: Arc::clone(&pieces) });
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, first_day: u16, last_day: u16, mark: u128) -> Piece {
        Piece { name: name.to_owned(), is_table: false, first_day, last_day, mark }
    }

    fn table(name: &str, mark: u128) -> Piece {
        Piece { is_table: true, ..part(name, 0, u16::MAX, mark) }
    }

    #[test]
    fn a_mark_is_of_the_tables_and_days_that_are_read() {
        let pieces = Pieces(vec![
            table("events", 1),
            table("pages", 10),
            part("pages", 5, 7, 100),
            part("pages", 8, 8, 1000),
            part("events", 0, 9, u128::MAX),
        ]);
        assert_eq!(pieces.mark(&["pages"], 1, 4), Some(10));
        assert_eq!(pieces.mark(&["pages"], 7, 7), Some(110));
        assert_eq!(pieces.mark(&["pages"], 6, 8), Some(1110));
        assert_eq!(pieces.mark(&["events", "pages"], 9, 9), Some(10));
    }

    #[test]
    fn a_table_that_is_not_here_has_no_mark() {
        // A cluster's view, and the view that a test has put in the events' place.
        let pieces = Pieces(vec![part("pages", 0, u16::MAX, 1), table("events", 2)]);
        assert_eq!(pieces.mark(&["pages"], 0, u16::MAX), None);
        assert_eq!(pieces.mark(&["events", "sources"], 0, u16::MAX), None);
        assert_eq!(pieces.mark(&["events"], 0, u16::MAX), Some(2));
    }
}
