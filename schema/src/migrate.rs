//! Migrations: numbered SQL files, embedded and checksummed. The rollups beside them are [`crate::rollup`]'s.
//!
//! A file runs once, in order, and is never edited afterwards: its checksum is recorded, and a difference is
//! refused before anything runs. Every statement is safe to repeat, so a run that was interrupted is finished by
//! the next one. Two runs at once: one holds the lock (a table that only one can create), the other waits; the
//! lock of a process that died is taken over when its heartbeat stops.

use std::collections::HashMap;
use std::time::Duration;

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::cluster::{self, Cluster};
use crate::epochs;
use crate::rollup::change::{self, Step};
use crate::rollup::{ROLLUPS, Rollup, RollupError, tables};
use crate::store::StoreUrl;

mod lock;

pub use lock::LockTimes;
pub(crate) use lock::{Lock, fence};

/// One file: a step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file's name without its ending: `0001_events`.
    pub name: &'static str,
    /// The file's statements, separated by a semicolon at the end of a line.
    pub sql: &'static str,
}

macro_rules! files {
    ($($name:literal => $path:literal),* $(,)?) => {
        &[$(Migration { name: $name, sql: include_str!(concat!("../", $path)) }),*]
    };
}

/// All files, in the order in which they run.
pub const MIGRATIONS: &[Migration] = files! {
    "0001_events" => "migrations/0001_events.sql",
    "0002_dead_letters" => "migrations/0002_dead_letters.sql",
    "0003_directory" => "migrations/0003_directory.sql",
    "0004_salts" => "migrations/0004_salts.sql",
    "0005_key_website" => "migrations/0005_key_website.sql",
    "0006_dead_letter_replays" => "migrations/0006_dead_letter_replays.sql",
    "0007_respect_dnt" => "migrations/0007_respect_dnt.sql",
    "0008_event_claims" => "migrations/0008_event_claims.sql",
    "0009_compact_events" => "migrations/0009_compact_events.sql",
    "0010_load_epochs" => "migrations/0010_load_epochs.sql",
    "0011_stream_positions" => "migrations/0011_stream_positions.sql",
    "0012_audit_and_erasures" => "migrations/0012_audit_and_erasures.sql",
    "0013_retention" => "migrations/0013_retention.sql",
    "0014_names" => "migrations/0014_names.sql",
    "0015_event_ids_lapse" => "migrations/0015_event_ids_lapse.sql",
};

/// Why the schema could not be brought up to date.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// A file was changed after it had run.
    #[error(
        "the migration {0} was edited after it ran; restore the file, and put the change into a new migration"
    )]
    Edited(String),
    /// The database was made by a newer release.
    #[error("the database has the migration {0}, which this release does not know; run a newer release")]
    Unknown(String),
    /// Another migrator holds the lock for too long.
    #[error("another migrator has been at work for more than {} seconds", .0.as_secs())]
    Locked(Duration),
    /// A statement failed.
    #[error("the migration {name} failed")]
    Failed {
        /// The file.
        name: String,
        /// What the store answered.
        #[source]
        source: clickhouse::error::Error,
    },
    /// The tables were made for another arrangement of nodes.
    #[error(
        "the tables were made for {found} and not for {wanted}: set FOOTFALL_CLUSTER as it was, or migrate into a new database"
    )]
    OtherCluster {
        /// What they were made for.
        found: String,
        /// What the settings say.
        wanted: String,
    },
    /// A rollup could not be made.
    #[error(transparent)]
    Rollup(#[from] RollupError),
    /// The store did not answer.
    #[error("ClickHouse could not be asked about the schema")]
    Store(#[from] clickhouse::error::Error),
}

/// Whether a file has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It ran, with this text.
    Applied,
    /// It will run with the next `up`.
    Pending,
    /// It ran with another text.
    Edited,
    /// It ran, and this release does not have it.
    Unknown,
}

impl State {
    /// The state as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Edited => "edited after it ran",
            Self::Unknown => "unknown to this release",
        }
    }
}

#[derive(Row, Serialize, Deserialize)]
struct AppliedRow {
    name: String,
    checksum: String,
}

/// The SHA-256 of a file's text, hexadecimal.
fn checksum(sql: &str) -> String {
    crate::hexadecimal(&Sha256::digest(sql.as_bytes()))
}

impl Migration {
    /// The file's statements, in order; each is safe to repeat.
    pub fn statements(&self) -> impl Iterator<Item = &'static str> {
        statements(self.sql)
    }
}

/// A file's statements: separated by a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
    })
}

/// The table of the files that ran.
pub(crate) const MADE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
(name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY name";

/// Names that earlier releases recorded for what is not a migration any more.
const RETIRED: [&str; 2] = ["rollup_site_totals", "rollup_stream_positions"];

/// Every file with its state, in order; files that only the database knows come last.
pub async fn status(store: &StoreUrl) -> Result<Vec<(String, State)>, MigrateError> {
    status_of(store, MIGRATIONS).await
}

pub(crate) async fn status_of(
    store: &StoreUrl,
    files: &[Migration],
) -> Result<Vec<(String, State)>, MigrateError> {
    let applied = if has_table(store, "schema_migrations").await? {
        applied(&store.client()).await?
    } else {
        HashMap::new()
    };
    Ok(states(files, &applied))
}

fn states(files: &[Migration], applied: &HashMap<String, String>) -> Vec<(String, State)> {
    let mut states: Vec<_> = files
        .iter()
        .map(|file| {
            let state = match applied.get(file.name) {
                None => State::Pending,
                Some(recorded) if *recorded == checksum(file.sql) => State::Applied,
                Some(_) => State::Edited,
            };
            (file.name.to_owned(), state)
        })
        .collect();
    let mut unknown: Vec<_> =
        applied.keys().filter(|name| files.iter().all(|file| file.name != name.as_str())).cloned().collect();
    unknown.sort();
    states.extend(unknown.into_iter().map(|name| (name, State::Unknown)));
    states
}

/// Brings the database up to date; returns the files that ran now. Makes the database when it is missing. Rollups that
/// are new or changed get their tables, which fill from now on; what came before is put in by [`crate::maintain`].
pub async fn up(store: &StoreUrl) -> Result<Vec<&'static str>, MigrateError> {
    up_with(store, MIGRATIONS, ROLLUPS, LockTimes::default()).await
}

/// As [`up`], with other files and other times of the lock.
pub async fn up_with(
    store: &StoreUrl,
    files: &'static [Migration],
    rollups: &'static [Rollup],
    times: LockTimes,
) -> Result<Vec<&'static str>, MigrateError> {
    let database = cluster::database_sql(store.cluster());
    store.server().query(&database).param("database", store.database()).execute().await?;
    let client = store.client();
    check_cluster(&client, store.cluster()).await?;
    // The common start: nothing to do, no lock needed.
    if has_table(store, "schema_migrations").await?
        && pending(files, &applied(&client).await?)?.is_empty()
        && are_there(&client, rollups).await?
    {
        return Ok(Vec::new());
    }
    let lock = Lock::take(&client, times).await?;
    let work = async {
        // A refusal comes before anything runs.
        if has_table(store, "rollup_tables").await? {
            change::steps(rollups, &tables::all(&client).await?)?;
        }
        let ran = run_pending(&client, store.cluster(), files).await?;
        if !rollups.is_empty() {
            change::prepare(&client, rollups).await?;
        }
        Ok(ran)
    };
    let outcome = lock.guard(work).await;
    lock.release().await;
    outcome
}

/// Whether every rollup has its tables and views in this version.
async fn are_there(client: &Client, rollups: &[Rollup]) -> Result<bool, MigrateError> {
    if rollups.is_empty() {
        return Ok(true);
    }
    let tables = tables::all(client).await?;
    for rollup in rollups {
        // What is being built needs nothing from here: whoever maintains the store finishes it.
        if change::step(rollup, &tables)? == Step::Build {
            return Ok(false);
        }
    }
    let newest = epochs::current(client).await?.number;
    let is_own = |table: &&tables::RollupTable| rollups.iter().any(|rollup| rollup.name == table.rollup);
    for table in tables.iter().filter(|table| table.state != tables::State::Old).filter(is_own) {
        // A first start was cut off before readers were shown its tables.
        let is_cut_off = table.since == 0 && table.state == tables::State::Building;
        if is_cut_off || table.since > newest || !change::missing(client, table).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A database does not move from one node to a cluster, or back, by a setting.
async fn check_cluster(client: &Client, wanted: Option<&Cluster>) -> Result<(), MigrateError> {
    let told = |cluster: Option<&Cluster>| {
        cluster.map_or_else(
            || "one node".to_owned(),
            |cluster| ["the cluster ", cluster.name().as_str()].concat(),
        )
    };
    match cluster::of(client).await? {
        Some(found) if found.as_ref() != wanted => {
            Err(MigrateError::OtherCluster { found: told(found.as_ref()), wanted: told(wanted) })
        }
        _ => Ok(()),
    }
}

async fn run_pending(
    client: &Client,
    cluster: Option<&Cluster>,
    files: &'static [Migration],
) -> Result<Vec<&'static str>, MigrateError> {
    cluster::run(client, cluster, MADE).await?;
    let mut ran = Vec::new();
    for file in pending(files, &applied(client).await?)? {
        for statement in file.statements() {
            cluster::run(client, cluster, statement)
                .await
                .map_err(|source| MigrateError::Failed { name: file.name.to_owned(), source })?;
        }
        client
            .query("INSERT INTO schema_migrations (name, checksum) VALUES ({name:String}, {checksum:String})")
            .param("name", file.name)
            .param("checksum", checksum(file.sql))
            .execute()
            .await?;
        tracing::info!(migration = file.name, "The migration was applied.");
        ran.push(file.name);
    }
    Ok(ran)
}

fn pending(
    files: &'static [Migration],
    applied: &HashMap<String, String>,
) -> Result<Vec<&'static Migration>, MigrateError> {
    for (name, state) in states(files, applied) {
        match state {
            State::Edited => return Err(MigrateError::Edited(name)),
            State::Unknown => return Err(MigrateError::Unknown(name)),
            State::Applied | State::Pending => {}
        }
    }
    Ok(files.iter().filter(|file| !applied.contains_key(file.name)).collect())
}

async fn applied(client: &Client) -> Result<HashMap<String, String>, clickhouse::error::Error> {
    let rows = client.query("SELECT name, checksum FROM schema_migrations").fetch_all::<AppliedRow>().await?;
    let rows = rows.into_iter().filter(|row| !RETIRED.contains(&row.name.as_str()));
    Ok(rows.map(|row| (row.name, row.checksum)).collect())
}

pub(crate) async fn has_table(store: &StoreUrl, table: &str) -> Result<bool, clickhouse::error::Error> {
    store
        .server()
        .query(
            "SELECT count() > 0 FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        )
        .param("database", store.database())
        .param("table", table)
        .fetch_one::<bool>()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_the_folders_is_embedded_and_in_order() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = |folder: &str| {
            let mut names: Vec<String> = std::fs::read_dir(root.join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .map(|name| name.strip_suffix(".sql").unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            MIGRATIONS.iter().map(|file| file.name.to_owned()).collect::<Vec<_>>(),
            names("migrations")
        );
    }

    #[test]
    fn statements_end_with_a_semicolon_at_the_end_of_a_line() {
        let sql = "-- why\nCREATE a\n(x ';');\n\nCREATE b;\n-- the end\n";
        assert_eq!(statements(sql).collect::<Vec<_>>(), ["-- why\nCREATE a\n(x ';')", "CREATE b"]);
    }

    #[test]
    fn an_edited_file_is_refused_before_anything_runs() {
        let applied = HashMap::from([("0001_events".to_owned(), checksum("other"))]);
        assert!(
            matches!(pending(MIGRATIONS, &applied), Err(MigrateError::Edited(name)) if name == "0001_events")
        );
    }

    #[test]
    fn a_database_of_a_newer_release_is_refused() {
        let applied = HashMap::from([("9999_future".to_owned(), checksum(""))]);
        assert!(
            matches!(pending(MIGRATIONS, &applied), Err(MigrateError::Unknown(name)) if name == "9999_future")
        );
    }
}
