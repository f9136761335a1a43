//! Making a day's rollups equal to its events again, on demand.
//!
//! Nothing waits for this: the rollups grow with every insert. It is for days about which somebody is not sure, and the
//! same work as `migrate rebuild` for one day.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use schema::epochs::EpochError;
use schema::maintain::{Maintainer, Range};
use schema::migrate::{LockTimes, MIGRATIONS, MigrateError};
use schema::rollup::change::Silent;
use schema::rollup::{ROLLUPS, RollupError};
use schema::store::StoreUrl;
use thiserror::Error;
use tokio::sync::Mutex;

/// How long to wait for other work on the rollups: whoever asks over HTTP can ask again.
const WAIT: Duration = Duration::from_secs(5);

/// How long the loaders may take to let go of a day: a batch of theirs.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why the rollups of a day were not made again.
#[derive(Debug, Error)]
pub(crate) enum AggregateError {
    /// Another work on the rollups goes on, or the loaders are busy or away.
    #[error("the rollups are being worked on, or their loaders do not answer")]
    Busy(#[source] Option<MigrateError>),
    /// The work failed.
    #[error("the rollups could not be made again")]
    Failed(#[source] MigrateError),
    /// The work panicked, or the process is ending.
    #[error("the work on the rollups was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Makes days again, one at a time.
#[derive(Clone)]
pub(crate) struct Aggregation {
    maintainer: Maintainer,
    working: Arc<Mutex<()>>,
}

impl Aggregation {
    pub(crate) fn new(store: &StoreUrl) -> Self {
        let times = LockTimes { wait: WAIT, ..LockTimes::default() };
        let maintainer = Maintainer::with(store.clone(), MIGRATIONS, ROLLUPS, times).patient(PATIENCE);
        Self { maintainer, working: Arc::default() }
    }

    /// Makes the rollups of a day equal to its events. Runs to its end even when the caller goes away.
    pub(crate) async fn run(&self, date: NaiveDate) -> Result<(), AggregateError> {
        let working = Arc::clone(&self.working).try_lock_owned().map_err(|_| AggregateError::Busy(None))?;
        let maintainer = self.maintainer.clone();
        let work = async move {
            let _working = working;
            let day = u16::try_from((date - NaiveDate::default()).num_days()).unwrap_or_default();
            let range = Range { from: day, to: day, website: None };
            maintainer.rebuild(None, range, &mut Silent).await
        };
        let done = tokio::spawn(work).await.map_err(AggregateError::Interrupted)?;
        done.map_err(|error| match error {
            MigrateError::Locked(_)
            | MigrateError::Rollup(RollupError::Loaders(EpochError::Behind(_)) | RollupError::NotBuilt(_)) => {
                AggregateError::Busy(Some(error))
            }
            error => AggregateError::Failed(error),
        })
    }
}
