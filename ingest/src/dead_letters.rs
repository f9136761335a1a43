//! Records that could not become rows: shown to the operator, and put into the stream again when the reason is gone
//! (a newer release reads them, the store takes them).
//!
//! A letter is replayed once: that its replay begins is written down before its bytes are appended, and that they are
//! durable afterwards. A replay that is cut off in between leaves the letter *unsure*: nobody knows whether the stream
//! has it. Such letters are left alone until they are asked for by name; with an `event_id` they count once in any case.
//! One replay runs at a time.

use bytes::Bytes;
use chrono::DateTime;
use clickhouse::{Client, Row};
use schema::rows::DeadLetterReplayRow;
use serde::Deserialize;
use service::Clock;
use thiserror::Error;

use crate::stream::{Partition, Record, Stream, StreamError};

/// Letters replayed at once. A record has at most half a megabyte, so this bounds the memory.
const CHUNK: u64 = 100;

/// Letters that a list shows, unless another number is asked for.
pub const LIST_LIMIT: u64 = 100;

/// Characters of a detail that a table shows.
const DETAIL_SHOWN: usize = 60;

/// Why dead letters could not be listed or replayed. What was appended until then is written down.
#[derive(Debug, Error)]
pub enum DeadLetterError {
    /// The store did not answer.
    #[error("the dead letters cannot be read or marked")]
    Store(#[from] clickhouse::error::Error),
    /// The stream took some letters at most.
    #[error("the stream did not take a dead letter; {appended} were appended before")]
    Stream {
        /// How many are in the stream again.
        appended: u64,
        /// What the stream said.
        #[source]
        cause: StreamError,
    },
}

/// Whether a dead letter is in the stream again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It never was.
    Never,
    /// It is.
    Done,
    /// Its replay was cut off.
    Unsure,
}

/// A dead letter as it is listed: without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The stream that it was read from.
    pub stream: String,
    /// Its partition there.
    pub partition: u16,
    /// Its offset there.
    pub offset: u64,
    /// Why it could not become a row, in one word.
    pub reason: String,
    /// The same in more words.
    pub detail: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// When it was recorded, in milliseconds since 1970-01-01 UTC.
    pub recorded_at: i64,
    /// Whether it was replayed.
    pub replay: Replay,
}

#[derive(Row, Deserialize)]
struct ListedRow {
    stream: String,
    kafka_partition: u16,
    kafka_offset: u64,
    reason: String,
    detail: String,
    bytes: u64,
    recorded_at: i64,
    begun: i64,
    appended: u64,
}

/// The latest dead letters, of one reason or of all, at most `limit`.
pub async fn list(store: &Client, reason: Option<&str>, limit: u64) -> Result<Vec<Listed>, DeadLetterError> {
    let rows = store
        .query(include_str!("dead_letters/list.sql"))
        .param("reason", reason.unwrap_or_default())
        .param("limit", limit)
        .fetch_all::<ListedRow>()
        .await?;
    Ok(rows.into_iter().map(Listed::from).collect())
}

impl From<ListedRow> for Listed {
    fn from(row: ListedRow) -> Self {
        Self {
            stream: row.stream,
            partition: row.kafka_partition,
            offset: row.kafka_offset,
            reason: row.reason,
            detail: row.detail,
            bytes: row.bytes,
            recorded_at: row.recorded_at,
            replay: match (row.appended, row.begun) {
                (1.., _) => Replay::Done,
                (0, 1..) => Replay::Unsure,
                (0, _) => Replay::Never,
            },
        }
    }
}

/// Which letters a replay takes.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only those of this reason.
    pub reason: Option<String>,
    /// Also those whose replay was cut off: without an `event_id` they may count twice.
    pub unsure: bool,
}

#[derive(Row, Deserialize)]
struct Letter {
    stream: String,
    kafka_partition: u16,
    kafka_offset: u64,
    #[serde(with = "bytes_of_a_string")]
    payload: Bytes,
}

/// A String of the store that is no text.
mod bytes_of_a_string {
    use bytes::Bytes;
    use serde::Deserializer;
    use serde::de::{Error, Visitor};

    struct Raw;

    impl Visitor<'_> for Raw {
        type Value = Bytes;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes::copy_from_slice(bytes))
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_bytes(Raw)
    }
}

/// What is written down of a letter's replay.
#[derive(Clone, Copy)]
enum Mark {
    Begun,
    Appended,
    NotTaken,
}

impl Letter {
    fn marked(&self, mark: Mark, now: i64) -> DeadLetterReplayRow {
        let (begun, appended) = match mark {
            Mark::Begun => (1, 0),
            Mark::Appended => (0, 1),
            Mark::NotTaken => (-1, 0),
        };
        DeadLetterReplayRow {
            stream: self.stream.clone(),
            kafka_partition: self.kafka_partition,
            kafka_offset: self.kafka_offset,
            begun,
            appended,
            recorded_at: now,
        }
    }

    /// The record as it was. Where this stream has fewer partitions, people still stay together.
    fn record(&self, partitions: u32) -> Record {
        Record {
            partition: Partition::from(self.kafka_partition) % partitions,
            payload: self.payload.clone(),
        }
    }
}

/// Puts dead letters into the stream again, the oldest first, each once. Returns how many. A letter that dies again is
/// a new letter, and is not replayed by the same call.
pub async fn replay(
    store: &Client,
    stream: &dyn Stream,
    which: &Which,
    clock: &Clock,
) -> Result<u64, DeadLetterError> {
    let ask = |sql| {
        let query = store.query(sql).param("unsure", which.unsure);
        query.param("reason", which.reason.as_deref().unwrap_or_default())
    };
    let mut waiting = ask(include_str!("dead_letters/waiting.sql")).fetch_one::<u64>().await?;
    let mut appended = 0;
    while waiting > 0 {
        let limit = waiting.min(CHUNK);
        let letters =
            ask(include_str!("dead_letters/next.sql")).param("limit", limit).fetch_all::<Letter>().await?;
        if letters.is_empty() {
            break;
        }
        waiting -= letters.len() as u64;
        let marks: Vec<_> = letters.iter().map(|letter| letter.marked(Mark::Begun, clock.now())).collect();
        write(store, &marks).await?;

        let records = letters.iter().map(|letter| letter.record(stream.partitions())).collect();
        let mut failure = None;
        let mut marks = Vec::with_capacity(letters.len());
        for (letter, fate) in letters.iter().zip(stream.append(records).await) {
            match fate {
                Ok(_) => {
                    appended += 1;
                    marks.push(letter.marked(Mark::Appended, clock.now()));
                }
                Err(error) => {
                    // What is not available may have taken the record all the same; the others did not.
                    if !matches!(error, StreamError::Unavailable(_)) {
                        marks.push(letter.marked(Mark::NotTaken, clock.now()));
                    }
                    failure = failure.or(Some(error));
                }
            }
        }
        write(store, &marks).await?;
        if let Some(cause) = failure {
            return Err(DeadLetterError::Stream { appended, cause });
        }
    }
    Ok(appended)
}

async fn write(store: &Client, marks: &[DeadLetterReplayRow]) -> Result<(), DeadLetterError> {
    if marks.is_empty() {
        return Ok(());
    }
    let mut insert = store.insert::<DeadLetterReplayRow>("dead_letter_replays").await?;
    for mark in marks {
        insert.write(mark).await?;
    }
    Ok(insert.end().await?)
}

/// The letters as a table for people, one line each.
pub fn table(letters: &[Listed]) -> String {
    let head = ["STREAM", "PARTITION", "OFFSET", "REASON", "BYTES", "RECORDED", "REPLAYED", "DETAIL"];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(letters.iter().map(cells));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut table = String::new();
    for line in lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        table.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn cells(letter: &Listed) -> [String; 8] {
    let recorded = DateTime::from_timestamp_millis(letter.recorded_at).unwrap_or_default();
    let replay = match letter.replay {
        Replay::Never => "no",
        Replay::Done => "yes",
        Replay::Unsure => "unsure",
    };
    // A detail may quote the record, and a terminal obeys control characters.
    let detail = letter.detail.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    [
        letter.stream.clone(),
        letter.partition.to_string(),
        letter.offset.to_string(),
        letter.reason.clone(),
        letter.bytes.to_string(),
        recorded.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        replay.to_owned(),
        detail.take(DETAIL_SHOWN).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_letter_and_no_control_characters() {
        let letter = Listed {
            stream: "kafka-events".into(),
            partition: 3,
            offset: 12_345,
            reason: "malformed".into(),
            detail: "broken\u{1b}[2J\nat the start".into(),
            bytes: 77,
            recorded_at: 1_772_452_800_123,
            replay: Replay::Unsure,
        };
        let expected = "\
STREAM        PARTITION  OFFSET  REASON     BYTES  RECORDED              REPLAYED  DETAIL
kafka-events  3          12345   malformed  77     2026-03-02T12:00:00Z  unsure    broken [2J at the start
";
        assert_eq!(table(&[letter]), expected);
    }
}
