//! How rows leave a table: counted, deleted with their bytes, counted again.

use clickhouse::query::Query;
use clickhouse::{Client, Row};
use serde::Deserialize;

use crate::event::Event;
use crate::rollup::RollupError;

/// Dead letters that one statement names. The store takes parameters of up to 128 KiB.
const LETTERS: usize = 500;

/// Which rows of a table go: a condition of a file, and its parameters.
pub(super) struct Gone<'a> {
    pub(super) client: &'a Client,
    pub(super) condition: &'static str,
    pub(super) bind: &'a (dyn Fn(Query) -> Query + Sync),
}

impl Gone<'_> {
    fn query(&self, file: &str, table: &str) -> Query {
        let sql = file.replace("$table", table).replace("$condition", self.condition.trim_end());
        (self.bind)(self.client.query(&sql))
    }

    async fn count(&self, table: &str) -> Result<u64, RollupError> {
        Ok(self.query(include_str!("count.sql"), table).fetch_one::<u64>().await?)
    }

    /// Deletes the rows, on all replicas, and makes sure that none is left. Returns how many there were.
    pub(super) async fn from(&self, table: &str) -> Result<u64, RollupError> {
        let rows = self.count(table).await?;
        if rows == 0 {
            return Ok(0);
        }
        self.query(include_str!("delete.sql"), table).with_setting("mutations_sync", "2").execute().await?;
        match self.count(table).await? {
            0 => Ok(rows),
            rows => Err(RollupError::Remains { table: table.to_owned(), rows }),
        }
    }
}

#[derive(Row, Deserialize)]
struct LetterRow {
    stream: String,
    kafka_partition: u16,
    kafka_offset: u64,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

/// Deletes the dead letters whose record, as far as it can be read, is one of these. Returns how many there were.
pub(super) async fn letters(client: &Client, is_gone: impl Fn(&Event) -> bool) -> Result<u64, RollupError> {
    let mut cursor = client.query(include_str!("letters.sql")).fetch::<LetterRow>()?;
    let mut gone = Vec::new();
    while let Some(letter) = cursor.next().await? {
        if Event::of_doubtful_bytes(&letter.payload).is_some_and(|event| is_gone(&event)) {
            gone.push((letter.stream, letter.kafka_partition, letter.kafka_offset));
        }
    }
    let mut rows = 0;
    for some in gone.chunks(LETTERS) {
        let bind = |query: Query| {
            query
                .param("streams", some.iter().map(|(stream, ..)| stream.as_str()).collect::<Vec<_>>())
                .param("partitions", some.iter().map(|(_, partition, _)| *partition).collect::<Vec<_>>())
                .param("offsets", some.iter().map(|(.., offset)| *offset).collect::<Vec<_>>())
        };
        let gone = Gone { client, condition: include_str!("letters_gone.sql"), bind: &bind };
        rows += gone.from("dead_letters").await?;
    }
    Ok(rows)
}
