//! What operators and the house itself do to the store while events come in: finish what is being built, verify, make
//! again, tidy up. One maintainer works at a time: each piece of work holds the migration lock.

use std::time::Duration;

use clickhouse::Client;
use uuid::Uuid;

use crate::epochs::{self, EpochError};
use crate::migrate::{self, Lock, LockTimes, MIGRATIONS, MigrateError, Migration};
use crate::rollup::change::{self, Progress};
use crate::rollup::recount::{Difference, Extent, end_leftovers};
use crate::rollup::tables::{self, RollupTable};
use crate::rollup::{ROLLUPS, Rollup, RollupError};
use crate::rows::Day;
use crate::store::StoreUrl;

pub mod plan;
pub mod structure;

/// How long loaders may take to go on with a new epoch: a batch of theirs, and a rebalance.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long the loaders of a stream that is said to be gone may take to answer that it is not.
const RETIRE_PATIENCE: Duration = Duration::from_secs(10);

/// Works on one database.
#[derive(Clone)]
pub struct Maintainer {
    store: StoreUrl,
    migrations: &'static [Migration],
    rollups: &'static [Rollup],
    times: LockTimes,
    patience: Duration,
}

/// Which days of which website a work is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// One website; else all.
    pub website: Option<Uuid>,
}

impl Default for Range {
    fn default() -> Self {
        Self { from: 0, to: Day::MAX, website: None }
    }
}

impl Range {
    fn extent(self, upto: u32) -> Extent {
        Extent { from: self.from, to: self.to, website: self.website, upto }
    }
}

/// What [`Maintainer::verify`] found; nothing in it: all is as it should be.
#[derive(Debug, Default)]
pub struct Findings {
    /// Tables and views that differ from the files or are missing, each with a sentence.
    pub structure: Vec<String>,
    /// Keys of rollups that differ from the events.
    pub differences: Vec<(String, Vec<Difference>)>,
    /// Partitions whose loaders did not answer: what they have on their way may look like a difference.
    pub unsure: Option<String>,
}

impl Findings {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.structure.is_empty() && self.differences.is_empty()
    }
}

impl Maintainer {
    /// Works on a database with this release's files.
    pub fn new(store: StoreUrl) -> Self {
        Self::with(store, MIGRATIONS, ROLLUPS, LockTimes::default())
    }

    /// The same with other files and other times of the lock.
    pub fn with(
        store: StoreUrl,
        migrations: &'static [Migration],
        rollups: &'static [Rollup],
        times: LockTimes,
    ) -> Self {
        Self { store, migrations, rollups, times, patience: PATIENCE }
    }

    /// The same with another patience with the loaders.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The files of the rollups that it works with.
    pub(crate) fn rollups(&self) -> &'static [Rollup] {
        self.rollups
    }

    /// How long it waits for loaders.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn client(&self) -> Client {
        self.store.client()
    }

    /// Holds the lock while a work runs.
    pub(crate) async fn locked<T>(
        &self,
        work: impl Future<Output = Result<T, RollupError>>,
    ) -> Result<T, MigrateError> {
        let lock = Lock::take(&self.client(), self.times).await?;
        let outcome = lock.guard(work).await;
        lock.release().await;
        Ok(outcome?)
    }

    /// The tables of all rollups, and how they stand.
    pub async fn tables(&self) -> Result<Vec<RollupTable>, MigrateError> {
        Ok(tables::all(&self.client()).await?)
    }

    /// Whether a table of these rollups is being built.
    pub async fn is_building(&self) -> Result<bool, MigrateError> {
        Ok(!change::building(&self.client(), self.rollups).await?.is_empty())
    }

    /// Makes the tables whole that are being built, and moves readers to them. Returns the rollups.
    pub async fn finish(&self, progress: &mut dyn Progress) -> Result<Vec<String>, MigrateError> {
        if !self.is_building().await? {
            return Ok(Vec::new());
        }
        let client = self.client();
        self.locked(change::finish(&client, self.rollups, self.patience, progress)).await
    }

    /// Makes days of a rollup equal to the events; `None`: of every rollup. Whoever reads meanwhile sees each day before or
    /// after, never half.
    pub async fn rebuild(
        &self,
        rollup: Option<&str>,
        range: Range,
        progress: &mut dyn Progress,
    ) -> Result<(), MigrateError> {
        let rollups: Vec<&Rollup> = match rollup {
            Some(name) => vec![Rollup::find(self.rollups, name)?],
            None => self.rollups.iter().collect(),
        };
        let client = self.client();
        let work = async {
            end_leftovers(&client).await?;
            let upto = change::close_epoch(&client, self.patience, "rebuild").await?;
            let job = Uuid::new_v4();
            for rollup in rollups {
                let table = change::shown(&client, rollup).await?;
                change::correct(&client, rollup, &table.name, range.extent(upto), job, progress).await?;
            }
            Ok(())
        };
        self.locked(work).await
    }

    /// Compares structure and rollups with the files and the events. With loaders that do not answer it compares what is
    /// there, and says so. Rollups that are not whole are told of, and not compared.
    pub async fn verify(&self, range: Range, progress: &mut dyn Progress) -> Result<Findings, MigrateError> {
        for table in ["schema_migrations", "events", "load_epochs", "load_checkpoints", "rollup_tables"] {
            // Without these there is nothing to compare, and in part nothing to take turns with.
            if !migrate::has_table(&self.store, table).await? {
                let structure = structure::check(&self.store, self.migrations, self.rollups).await?;
                return Ok(Findings { structure, ..Findings::default() });
            }
        }
        // Its future is large.
        self.locked(async { Ok(Box::pin(self.compared(range, progress)).await) }).await?
    }

    async fn compared(&self, range: Range, progress: &mut dyn Progress) -> Result<Findings, MigrateError> {
        let client = self.client();
        let mut findings = Findings {
            structure: structure::check(&self.store, self.migrations, self.rollups).await?,
            ..Findings::default()
        };
        let (upto, unsure) = match change::close_epoch(&client, self.patience, "verify").await {
            Ok(upto) => (upto, None),
            Err(RollupError::Loaders(error)) => {
                (epochs::current(&client).await?.number + 1, Some(error.to_string()))
            }
            Err(error) => return Err(error.into()),
        };
        findings.unsure = unsure;
        for rollup in self.rollups {
            let compared = match change::shown(&client, rollup).await {
                Ok(table) => {
                    change::compare(&client, rollup, &table.name, range.extent(upto), progress).await
                }
                Err(error) => Err(error),
            };
            match compared {
                Ok(differing) if differing.is_empty() => {}
                Ok(differing) => findings.differences.push((rollup.name.to_owned(), differing)),
                // The structure tells of it.
                Err(RollupError::NotBuilt(_) | RollupError::Misshapen(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(findings)
    }

    /// Drops the tables that others took the place of. Returns their names.
    pub async fn prune(&self) -> Result<Vec<String>, MigrateError> {
        let client = self.client();
        self.locked(change::prune(&client)).await
    }

    /// Says that a stream is gone for good. Returns how many partitions it had. A stream whose loaders answer within the
    /// patience is not gone, and one that nobody knows is a mistake: both are refused.
    pub async fn retire(&self, stream: &str) -> Result<usize, MigrateError> {
        let client = self.client();
        let work = async {
            let known = epochs::behind(&client, epochs::RETIRED).await?;
            if known.iter().all(|partition| partition.stream != stream) {
                return Err(RollupError::NoStream(stream.to_owned()));
            }
            let patience = self.patience.min(RETIRE_PATIENCE);
            let behind = match change::close_epoch(&client, patience, "is a stream gone?").await {
                Ok(_) => Vec::new(),
                Err(RollupError::Loaders(EpochError::Behind(behind))) => behind,
                Err(error) => return Err(error),
            };
            let of_stream = |partitions: &[epochs::Behind]| {
                partitions.iter().filter(|partition| partition.stream == stream).count()
            };
            if of_stream(&behind) < of_stream(&known) {
                return Err(RollupError::Alive(stream.to_owned()));
            }
            Ok(epochs::retire(&client, stream).await?)
        };
        self.locked(work).await
    }
}
