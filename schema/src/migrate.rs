//! Migrations: numbered SQL files, embedded and checksummed, and the rollups beside them.
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
use uuid::Uuid;

use crate::store::StoreUrl;

/// How often the holder of the lock shows that it lives.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// After this many seconds without a heartbeat the lock's holder is held to be dead.
const STALE_AFTER_SECONDS: i64 = 12;

/// How long to wait for another migrator before giving up.
const LOCK_WAIT: Duration = Duration::from_mins(10);

/// One file: a step of the schema, or a rollup with its view.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The file's name without its ending: `0001_events`, or `rollup_site_totals`.
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
    "rollup_site_totals" => "rollups/site_totals.sql",
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
    #[error("another migrator has been at work for more than {} minutes", LOCK_WAIT.as_secs() / 60)]
    Locked,
    /// A statement failed.
    #[error("the migration {name} failed")]
    Failed {
        /// The file.
        name: String,
        /// What the store answered.
        #[source]
        source: clickhouse::error::Error,
    },
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
    use std::fmt::Write as _;
    Sha256::digest(sql.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file's statements: separated by a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--"))
    })
}

/// Every file with its state, in order; files that only the database knows come last.
pub async fn status(store: &StoreUrl) -> Result<Vec<(String, State)>, MigrateError> {
    let applied = if has_table(store, "schema_migrations").await? {
        applied(&store.client()).await?
    } else {
        HashMap::new()
    };
    Ok(states(MIGRATIONS, &applied))
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

/// Brings the database up to date; returns the files that ran now. Makes the database when it is missing.
pub async fn up(store: &StoreUrl) -> Result<Vec<&'static str>, MigrateError> {
    up_with(store, MIGRATIONS).await
}

async fn up_with(store: &StoreUrl, files: &'static [Migration]) -> Result<Vec<&'static str>, MigrateError> {
    store
        .server()
        .query("CREATE DATABASE IF NOT EXISTS {database:Identifier}")
        .param("database", store.database())
        .execute()
        .await?;
    let client = store.client();
    // The common start: nothing to do, no lock needed.
    if has_table(store, "schema_migrations").await? && pending(files, &applied(&client).await?)?.is_empty() {
        return Ok(Vec::new());
    }
    let lock = Lock::take(&client).await?;
    let outcome = run_pending(&client, files).await;
    lock.release().await;
    outcome
}

async fn run_pending(
    client: &Client,
    files: &'static [Migration],
) -> Result<Vec<&'static str>, MigrateError> {
    client
        .query(
            "CREATE TABLE IF NOT EXISTS schema_migrations
             (name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
             ENGINE = MergeTree ORDER BY name",
        )
        .execute()
        .await?;
    let mut ran = Vec::new();
    for file in pending(files, &applied(client).await?)? {
        for statement in statements(file.sql) {
            client
                .query_raw(statement)
                .execute()
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
    Ok(rows.into_iter().map(|row| (row.name, row.checksum)).collect())
}

async fn has_table(store: &StoreUrl, table: &str) -> Result<bool, clickhouse::error::Error> {
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

/// The right to migrate: a table that exists while somebody holds it, with the holder's heartbeats as rows.
struct Lock {
    client: Client,
    holder: Uuid,
    heart: tokio::task::JoinHandle<()>,
}

impl Lock {
    async fn take(client: &Client) -> Result<Self, MigrateError> {
        let holder = Uuid::new_v4();
        let deadline = tokio::time::Instant::now() + LOCK_WAIT;
        let mut told = false;
        loop {
            if create(client).await? {
                beat(client, holder).await?;
                let heart = tokio::spawn({
                    let client = client.clone();
                    async move {
                        loop {
                            tokio::time::sleep(HEARTBEAT).await;
                            if let Err(error) = beat(&client, holder).await {
                                tracing::warn!(%error, "The migration lock could not be refreshed.");
                            }
                        }
                    }
                });
                return Ok(Self { client: client.clone(), holder, heart });
            }
            if tokio::time::Instant::now() > deadline {
                return Err(MigrateError::Locked);
            }
            if !told {
                tracing::info!("Another migrator is at work; waiting for it.");
                told = true;
            }
            break_stale(client).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn release(self) {
        self.heart.abort();
        if let Err(error) = self.client.query("DROP TABLE IF EXISTS migration_lock SYNC").execute().await {
            tracing::warn!(%error, holder = %self.holder, "The migration lock could not be released; it will lapse.");
        }
    }
}

/// True when the lock was free and is ours now.
async fn create(client: &Client) -> Result<bool, clickhouse::error::Error> {
    let created = client
        .query(
            "CREATE TABLE migration_lock (holder UUID, beat DateTime64(3, 'UTC') DEFAULT now64(3))
             ENGINE = MergeTree ORDER BY beat",
        )
        .execute()
        .await;
    match created {
        Ok(()) => Ok(true),
        Err(error) if error.to_string().contains("TABLE_ALREADY_EXISTS") => Ok(false),
        Err(error) => Err(error),
    }
}

async fn beat(client: &Client, holder: Uuid) -> Result<(), clickhouse::error::Error> {
    client
        .query("INSERT INTO migration_lock (holder) VALUES ({holder:UUID})")
        .param("holder", holder.to_string())
        .execute()
        .await
}

/// Sets the lock of a dead holder aside. The new name carries the time of its last heartbeat, so that of two
/// who try, one fails instead of setting aside the lock that the other has just taken.
async fn break_stale(client: &Client) -> Result<(), clickhouse::error::Error> {
    let stale = client
        .query(
            "SELECT toString(toUnixTimestamp64Milli(greatest(
                        (SELECT max(beat) FROM migration_lock), toDateTime64(metadata_modification_time, 3, 'UTC')
                    ) AS last))
             FROM system.tables
             WHERE database = currentDatabase() AND name = 'migration_lock' AND last < now64(3) - {seconds:Int64}",
        )
        .param("seconds", STALE_AFTER_SECONDS)
        .fetch_optional::<String>()
        .await;
    let last = match stale {
        Ok(Some(last)) => last,
        Ok(None) => return Ok(()),
        // Released between the two looks.
        Err(error) if error.to_string().contains("UNKNOWN_TABLE") => return Ok(()),
        Err(error) => return Err(error),
    };
    tracing::warn!("The migration lock of a process that died is set aside.");
    let aside = format!("migration_lock_{last}");
    match client
        .query("RENAME TABLE migration_lock TO {aside:Identifier}")
        .param("aside", aside.as_str())
        .execute()
        .await
    {
        Ok(()) => {
            // Kept until the takeover is over for everybody who may still look at it.
            let client = client.clone();
            tokio::spawn(async move {
                tokio::time::sleep(HEARTBEAT).await;
                let _ = client
                    .query("DROP TABLE IF EXISTS {aside:Identifier} SYNC")
                    .param("aside", aside.as_str())
                    .execute()
                    .await;
            });
            Ok(())
        }
        Err(error) => {
            tracing::info!(%error, "Another migrator was first to set the lock aside.");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_the_folders_is_embedded_and_in_order() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = |folder: &str, prefix: &str| {
            let mut names: Vec<String> = std::fs::read_dir(root.join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .map(|name| format!("{prefix}{}", name.strip_suffix(".sql").unwrap()))
                .collect();
            names.sort();
            names
        };
        let expected: Vec<String> =
            [names("migrations", ""), names("rollups", "rollup_")].into_iter().flatten().collect();
        assert_eq!(MIGRATIONS.iter().map(|file| file.name.to_owned()).collect::<Vec<_>>(), expected);
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
