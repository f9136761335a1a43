//! The lock: a table that only one migrator can create, with its holder's heartbeats as rows.

use std::time::Duration;

use clickhouse::Client;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::MigrateError;

/// How often one who waits looks whether the lock is free.
const LOOK: Duration = Duration::from_millis(100);

/// The lock's times. Those who share a database must agree on them.
#[derive(Debug, Clone, Copy)]
pub struct LockTimes {
    /// How often the holder shows that it lives. 2 s.
    pub heartbeat: Duration,
    /// After this long without a heartbeat the holder is held to be dead. 12 s; not below 2 s, for the age of the
    /// table itself is known to the second.
    pub stale_after: Duration,
    /// How long to wait for another migrator before giving up. 10 minutes.
    pub wait: Duration,
}

impl Default for LockTimes {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(2),
            stale_after: Duration::from_secs(12),
            wait: Duration::from_mins(10),
        }
    }
}

/// The right to migrate: a table that exists while somebody holds it, with the holder's heartbeats as rows.
pub(crate) struct Lock {
    client: Client,
    holder: Uuid,
    heart: Heart,
    /// The removal of a dead holder's lock, when this one has set it aside.
    removal: Option<JoinHandle<()>>,
}

/// The heartbeats. They end with the holder: work that is cut off in a process that lives on must not hold the lock.
struct Heart(JoinHandle<()>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lock {
    pub(crate) async fn take(client: &Client, times: LockTimes) -> Result<Self, MigrateError> {
        let holder = Uuid::new_v4();
        let deadline = tokio::time::Instant::now() + times.wait;
        let mut told = false;
        let mut removal = None;
        loop {
            if create(client).await? {
                beat(client, holder).await?;
                let heart = tokio::spawn({
                    let client = client.clone();
                    async move {
                        loop {
                            tokio::time::sleep(times.heartbeat).await;
                            if let Err(error) = beat(&client, holder).await {
                                tracing::warn!(%error, "The migration lock could not be refreshed.");
                            }
                        }
                    }
                });
                return Ok(Self { client: client.clone(), holder, heart: Heart(heart), removal });
            }
            if tokio::time::Instant::now() > deadline {
                return Err(MigrateError::Locked(times.wait));
            }
            if !told {
                tracing::info!("Another migrator is at work; waiting for it.");
                told = true;
            }
            if let Some(task) = break_stale(client, times).await? {
                removal = Some(task);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(crate) async fn release(self) {
        self.heart.0.abort();
        let released = match self.is_held().await {
            Ok(true) => self.client.query("DROP TABLE IF EXISTS migration_lock SYNC").execute().await,
            Ok(false) => {
                tracing::warn!(holder = %self.holder, "The migration lock was taken over meanwhile.");
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = released {
            tracing::warn!(%error, holder = %self.holder, "The migration lock could not be released; it will lapse.");
        }
        // A process that ends now would leave the dead one's table for ever.
        if let Some(removal) = self.removal {
            let _ = removal.await;
        }
    }

    /// False when another took this one for dead and the lock is no longer this one's.
    async fn is_held(&self) -> Result<bool, clickhouse::error::Error> {
        let beats = self
            .client
            .query("SELECT count() FROM migration_lock WHERE holder = {holder:UUID}")
            .param("holder", self.holder.to_string())
            .fetch_one::<u64>()
            .await;
        match beats {
            Ok(beats) => Ok(beats > 0),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
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

/// Whether the store says that the table is not there, or no longer.
fn is_gone(error: &clickhouse::error::Error) -> bool {
    let text = error.to_string();
    text.contains("UNKNOWN_TABLE") || text.contains("TABLE_IS_DROPPED")
}

/// Sets the lock of a dead holder aside; returns the task that removes it. The new name carries the time of its last
/// heartbeat, so that of two who try, one fails instead of setting aside the lock that the other has just taken.
async fn break_stale(
    client: &Client,
    times: LockTimes,
) -> Result<Option<JoinHandle<()>>, clickhouse::error::Error> {
    // A scalar subquery may be NULL, says its type; over an empty table it is 1970.
    let stale = client
        .query(
            "SELECT toUnixTimestamp64Milli(greatest(
                        ifNull((SELECT max(beat) FROM migration_lock), toDateTime64(0, 3, 'UTC')),
                        toDateTime64(metadata_modification_time, 3, 'UTC')
                    ) AS last)
             FROM system.tables
             WHERE database = currentDatabase() AND name = 'migration_lock'
               AND last < now64(3) - toIntervalMillisecond({age:Int64})",
        )
        .param("age", times.stale_after.as_millis() as i64)
        .fetch_optional::<i64>()
        .await;
    let last = match stale {
        Ok(Some(last)) => last,
        Ok(None) => return Ok(None),
        // Released between the two looks.
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    tracing::warn!("The migration lock of a process that died is set aside.");
    let aside = format!("migration_lock_{last}");
    let renamed = client
        .query("RENAME TABLE migration_lock TO {aside:Identifier}")
        .param("aside", aside.as_str())
        .execute()
        .await;
    if let Err(error) = renamed {
        tracing::info!(%error, "Another migrator was first to set the lock aside.");
        return Ok(None);
    }
    let client = client.clone();
    Ok(Some(tokio::spawn(async move {
        // Kept until the takeover is over for everybody who may still look at it.
        tokio::time::sleep(times.heartbeat).await;
        let removed = client
            .query("DROP TABLE IF EXISTS {aside:Identifier} SYNC")
            .param("aside", aside.as_str())
            .execute()
            .await;
        if let Err(error) = removed {
            tracing::warn!(%error, aside, "The lock of a process that died could not be removed.");
        }
    })))
}
