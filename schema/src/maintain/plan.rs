//! What `up` would do, before it does it: which files would run, which rollups would be built, and how long that may
//! take.

use clickhouse::Row;
use serde::Deserialize;

use super::Maintainer;
use crate::migrate::{self, MigrateError, State};
use crate::rollup::Rollup;
use crate::rollup::change::{self, Step};
use crate::rollup::tables;

/// Events per second that a rollup is built from on two cores, for an estimate; measured by the benchmark.
const EVENTS_PER_SECOND: u64 = 1_000_000;

/// One thing that would happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// A file would run.
    Migration(String),
    /// A rollup would be built, or its building would go on.
    Rollup {
        /// The rollup.
        name: String,
        /// The version that readers see now; `None`: there is none.
        from: Option<u32>,
        /// The version that would be built.
        to: u32,
        /// Events to read.
        events: u64,
        /// Days of them.
        days: u64,
        /// Bytes of the table that readers see now, as a measure of the new one's; 0 when there is none.
        bytes: u64,
        /// A rough estimate, in seconds.
        seconds: u64,
    },
    /// A table that another one took the place of could be pruned.
    Prune {
        /// The table.
        table: String,
        /// Its bytes on disk.
        bytes: u64,
    },
}

#[derive(Row, Deserialize)]
struct EventsRow {
    events: u64,
    days: u64,
}

#[derive(Row, Deserialize)]
struct SizeRow {
    name: String,
    bytes: u64,
}

impl Maintainer {
    /// What `up` would do now; nothing is changed.
    pub async fn plan(&self) -> Result<Vec<Planned>, MigrateError> {
        let mut planned: Vec<Planned> = Vec::new();
        for (name, state) in migrate::status_of(&self.store, self.migrations).await? {
            match state {
                State::Applied => {}
                State::Pending => planned.push(Planned::Migration(name)),
                State::Edited => return Err(MigrateError::Edited(name)),
                State::Unknown => return Err(MigrateError::Unknown(name)),
            }
        }
        let client = self.client();
        let has = |table| migrate::has_table(&self.store, table);
        let tables = if has("rollup_tables").await? { tables::all(&client).await? } else { Vec::new() };
        let EventsRow { events, days } = if has("events").await? {
            client.query(include_str!("events.sql")).fetch_one().await?
        } else {
            EventsRow { events: 0, days: 0 }
        };
        let sizes = self.store.server().query(include_str!("sizes.sql"));
        let sizes = sizes.param("database", self.store.database()).fetch_all::<SizeRow>().await?;
        let bytes = |table: &str| sizes.iter().find(|size| size.name == table).map_or(0, |size| size.bytes);
        for rollup in self.rollups {
            if change::step(rollup, &tables)? == Step::Nothing && !self.is_broken(rollup, &tables).await? {
                continue;
            }
            let shown = tables
                .iter()
                .find(|table| table.rollup == rollup.name && table.state == tables::State::Current);
            planned.push(Planned::Rollup {
                name: rollup.name.to_owned(),
                from: shown.map(|table| table.version),
                to: rollup.version,
                events,
                days,
                bytes: shown.map_or(0, |table| bytes(&table.name)),
                seconds: events.div_ceil(EVENTS_PER_SECOND),
            });
        }
        let old = tables.iter().filter(|table| table.state == tables::State::Old);
        planned
            .extend(old.map(|table| Planned::Prune { table: table.name.clone(), bytes: bytes(&table.name) }));
        Ok(planned)
    }

    async fn is_broken(&self, rollup: &Rollup, tables: &[tables::RollupTable]) -> Result<bool, MigrateError> {
        let shown =
            tables.iter().find(|table| table.rollup == rollup.name && table.state == tables::State::Current);
        match shown {
            Some(table) => Ok(!change::missing(&self.client(), table).await?.is_empty()),
            None => Ok(false),
        }
    }
}
