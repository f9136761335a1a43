//! The last words of a dead engine, fit for our own log: what it said of itself, never a query's text.

use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// How many lines are kept of each source: enough for an error and what led to it.
const LINES: usize = 10;
/// How much of the server's log is read back, in bytes.
const READ_BACK: u64 = 16 * 1024;
/// Where a line of ClickHouse's begins to repeat the query.
const QUERY_BEGINS: [&str; 4] = ["(in query:", "(query:", "query: ", "While processing"];
/// ClickHouse's loggers whose lines are about callers' queries.
const ABOUT_QUERIES: [&str; 6] =
    ["executeQuery", "QueryHandler", "TCPHandler", "HTTPHandler", "ParallelFormatter", "MemoryTracker"];

/// The last lines of the child's stderr.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    pub(crate) fn push(&self, line: &str) {
        let Some(line) = said_by_the_engine(line) else { return };
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// A line of stderr without a query's text. Lines that begin otherwise may be the rest of a query, and are dropped.
fn said_by_the_engine(line: &str) -> Option<String> {
    const BEGINNINGS: [&str; 5] = ["footfall-engine: ", "Code: ", "terminate called", "libc++", "thread "];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)).then(|| without_query(line))
}

/// The last warnings and errors in the server's log, without any query's text. A log that cannot be read has none.
pub(crate) fn last_complaints(log: &Path) -> Vec<String> {
    let Ok(text) = read_end(log) else { return Vec::new() };
    let complaints: Vec<String> = text.lines().filter_map(complaint).collect();
    complaints[complaints.len().saturating_sub(LINES)..].to_vec()
}

fn complaint(line: &str) -> Option<String> {
    let severe = ["<Warning>", "<Error>", "<Critical>", "<Fatal>"].iter().any(|level| line.contains(level));
    // Every entry begins with its date; what does not is the rest of one, and may be a query.
    let entry = line.starts_with(|first: char| first.is_ascii_digit()) && line.get(4..5) == Some(".");
    let private = ABOUT_QUERIES.iter().any(|logger| line.contains(logger));
    (severe && entry && !private).then(|| without_query(line))
}

fn without_query(line: &str) -> String {
    let end = QUERY_BEGINS.iter().filter_map(|begin| line.find(begin)).min().unwrap_or(line.len());
    line[..end].trim_end().to_owned()
}

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ_BACK)))?;
    let mut bytes = Vec::new();
    file.take(READ_BACK).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_querys_text_never_reaches_the_last_words() {
        let tail = Tail::default();
        tail.push("Code: 62. DB::Exception: Syntax error (in query: SELECT 'ann@example.org'");
        tail.push("  FROM people)");
        assert_eq!(tail.lines(), ["Code: 62. DB::Exception: Syntax error"]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let tail = Tail::default();
        for number in 0..LINES + 5 {
            tail.push(&format!("Code: {number}."));
        }
        assert_eq!(tail.lines().len(), LINES);
        assert_eq!(tail.lines()[0], "Code: 5.");
    }

    #[test]
    fn the_servers_log_yields_its_complaints_and_no_querys() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("server.log");
        let text = "2026.11.21 02:29:58.065437 [ 1 ] {} <Information> Context: Ready\n\
                    2026.11.21 02:29:58.065437 [ 1 ] {a} <Error> executeQuery: Code: 1 SELECT 'ann'\n\
                    FROM people <Error>\n\
                    2026.11.21 02:29:59.065437 [ 1 ] {} <Fatal> BaseDaemon: (query_id: x) (query: SELECT 'bob')\n\
                    2026.11.21 02:29:59.065438 [ 1 ] {} <Error> Merge: no space left\n";
        std::fs::write(&log, text).expect("written");
        assert_eq!(
            last_complaints(&log),
            [
                "2026.11.21 02:29:59.065437 [ 1 ] {} <Fatal> BaseDaemon: (query_id: x)",
                "2026.11.21 02:29:59.065438 [ 1 ] {} <Error> Merge: no space left"
            ]
        );
    }
}
