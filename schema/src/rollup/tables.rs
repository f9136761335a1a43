//! The tables that rollups have had: which one readers see, which one is being built, which one may go.

use std::time::Duration;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::Rollup;
use crate::migrate::fence;

/// How long who reads may go by what [`usable`] said. For so much longer a table that another one took the place of is neither
/// dropped nor without the corrections that the other one gets.
pub const KNOWN_FOR: Duration = Duration::from_secs(2);

/// How a rollup's table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// New events go in, earlier ones are not all in yet.
    Building,
    /// Readers ask it.
    Current,
    /// Another one took its place; it is filled until it is dropped.
    Old,
}

impl State {
    /// The state as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Current => "current",
            Self::Old => "old",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Building, Self::Current, Self::Old].into_iter().find(|state| state.as_str() == text)
    }
}

/// One table of a rollup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupTable {
    /// The rollup.
    pub rollup: String,
    /// The table's name: the rollup's and the epoch since which its view fills it.
    pub name: String,
    /// The rollup's version that made it.
    pub version: u32,
    /// The SHA-256 of that version's file.
    pub checksum: String,
    /// Rows of this epoch on come through the view, earlier ones from the backfill.
    pub since: u32,
    /// How it stands.
    pub state: State,
}

#[derive(Row, Deserialize)]
struct TableRow {
    rollup: String,
    table_name: String,
    version: u32,
    checksum: String,
    since_epoch: u32,
    state: String,
}

impl RollupTable {
    pub(crate) fn new(rollup: &Rollup, since: u32, state: State) -> Self {
        Self {
            rollup: rollup.name.to_owned(),
            name: format!("{}_{since}", rollup.name),
            version: rollup.version,
            checksum: rollup.checksum(),
            since,
            state,
        }
    }

    /// The name of the view that fills it.
    pub(crate) fn view(&self) -> String {
        format!("{}_view", self.name)
    }
}

/// All tables that are there, in the order of their rollups and epochs.
pub async fn all(client: &Client) -> Result<Vec<RollupTable>, clickhouse::error::Error> {
    let rows = client.query(include_str!("tables.sql")).fetch_all::<TableRow>().await?;
    let table = |row: TableRow| {
        Some(RollupTable {
            state: State::parse(&row.state)?,
            rollup: row.rollup,
            name: row.table_name,
            version: row.version,
            checksum: row.checksum,
            since: row.since_epoch,
        })
    };
    let mut tables: Vec<RollupTable> = rows.into_iter().filter_map(table).collect();
    // Readers were moved, and whoever did it was gone before it could say that the table before it is old.
    for at in 1..tables.len() {
        let (before, newer) = tables.split_at_mut(at);
        let is_replaced = |table: &RollupTable| {
            table.state == State::Current
                && newer.iter().any(|other| other.rollup == table.rollup && other.state == State::Current)
        };
        if let Some(last) = before.last_mut().filter(|table| is_replaced(table)) {
            last.state = State::Old;
        }
    }
    Ok(tables)
}

/// Those rollups whose current table is of this release's file, each with the table's name: the others are being built,
/// and only the events can be asked. Good for [`KNOWN_FOR`].
pub async fn usable(
    client: &Client,
    rollups: &'static [Rollup],
) -> Result<Vec<(&'static str, String)>, clickhouse::error::Error> {
    let tables = all(client).await?;
    let current = |rollup: &Rollup| {
        let table = tables.iter().find(|table| {
            table.rollup == rollup.name
                && table.state == State::Current
                && table.checksum == rollup.checksum()
        })?;
        Some((rollup.name, table.name.clone()))
    };
    Ok(rollups.iter().filter_map(current).collect())
}

/// Writes down how a table stands; `None`: it is dropped.
pub(crate) async fn record(
    client: &Client,
    table: &RollupTable,
    state: Option<State>,
) -> Result<(), clickhouse::error::Error> {
    client
        .query(&include_str!("record.sql").replace("$fence", &fence()))
        .param("rollup", &table.rollup)
        .param("table_name", &table.name)
        .param("version", table.version)
        .param("checksum", &table.checksum)
        .param("since_epoch", table.since)
        .param("state", state.map_or("dropped", State::as_str))
        .with_setting("async_insert", "0")
        .execute()
        .await
}
