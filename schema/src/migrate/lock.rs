//! The lock: a table that only one migrator can create, with its holder's heartbeats as rows.

use std::time::Duration;

use clickhouse::Client;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::MigrateError;

tokio::task_local! {
    /// Who holds the lock that the running work is under.
    static HOLDER: Uuid;
}

/// A condition for statements that only the lock's holder may run: while a work is under a lock ([`Lock::guard`]), the
/// store itself looks whether another one has taken it over, and refuses. A maintainer that was held to be dead and
/// goes on can so do nothing beside the one that took its place.
pub(crate) fn fence() -> String {
    let fence = include_str!("lock/fence.sql").trim_end();
    HOLDER
        .try_with(|holder| fence.replace("$holder", &holder.to_string()))
        .unwrap_or_else(|_| "true".to_owned())
}

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

/// Stops with its owner: a lock whose work was dropped lapses.
struct Heart(JoinHandle<()>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
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

impl Lock {
    pub(crate) async fn take(client: &Client, times: LockTimes) -> Result<Self, MigrateError> {
        let holder = Uuid::new_v4();
        let deadline = tokio::time::Instant::now() + times.wait;
        let mut told = false;
        let mut removal = None;
        loop {
            if create(client, holder).await? {
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

    /// Runs a work whose statements are refused once another one has taken over the lock.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = T>) -> T {
        HOLDER.scope(self.holder, work).await
    }

    pub(crate) async fn release(self) {
        drop(self.heart);
        let released = match is_held(&self.client, self.holder).await {
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
}

/// False when another took this one for dead and the lock is no longer this one's.
async fn is_held(client: &Client, holder: Uuid) -> Result<bool, clickhouse::error::Error> {
    let held = client.query(include_str!("lock/held.sql")).param("holder", holder.to_string());
    held.fetch_one::<bool>().await
}

/// True when the lock was free and is ours now.
async fn create(client: &Client, holder: Uuid) -> Result<bool, clickhouse::error::Error> {
    let create = include_str!("lock/create.sql").replace("$holder", &holder.to_string());
    let created = client.query_raw(&create).execute().await;
    match created {
        Ok(()) => Ok(true),
        Err(error) if error.to_string().contains("TABLE_ALREADY_EXISTS") => Ok(false),
        Err(error) => Err(error),
    }
}

async fn beat(client: &Client, holder: Uuid) -> Result<(), clickhouse::error::Error> {
    client.query(include_str!("lock/beat.sql")).param("holder", holder.to_string()).execute().await
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
