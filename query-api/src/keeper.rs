//! What callers may do to what is stored, apart from asking about it: have it erased, have a day's sums made again. The work
//! is that of `schema`.

use std::time::Duration;

use clickhouse::Client;
use schema::epochs::EpochError;
use schema::erase;
use schema::maintain::{Maintainer, Range};
use schema::migrate::{LockTimes, MIGRATIONS, MigrateError};
use schema::rollup::change::Silent;
use schema::rollup::{ROLLUPS, RollupError};
use schema::rows::Day;
use schema::store::StoreUrl;
use service::{Clock, Problem};
use uuid::Uuid;

/// How long loaders may take to go on before a caller is told to come again.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait for other work on the store before a caller is told to come again.
const QUEUE: Duration = Duration::from_mins(1);

/// Seconds after which it is worth asking again.
const RETRY_AFTER: u64 = 30;

/// Works on one store.
#[derive(Clone)]
pub struct Keeper {
    client: Client,
    maintainer: Maintainer,
    clock: Clock,
}

impl Keeper {
    /// A keeper of a store.
    pub fn new(store: &StoreUrl, clock: Clock) -> Self {
        let times = LockTimes { wait: QUEUE, ..LockTimes::default() };
        let maintainer = Maintainer::with(store.clone(), MIGRATIONS, ROLLUPS, times).patient(PATIENCE);
        Self { client: store.client(), maintainer, clock }
    }

    /// How many events of a website are stored.
    pub async fn events_of(&self, website: Uuid) -> Result<u64, Problem> {
        erase::events_of(&self.client, website).await.map_err(unavailable)
    }

    /// Asks for the erasure of all that has been received of a visitor until now. Returns the erasure's id.
    pub async fn erase_visitor(&self, website: Uuid, visitor: u64) -> Result<Uuid, Problem> {
        // What carries this very instant was received before the request.
        let before = self.clock.now() + 1;
        erase::request_visitor(&self.client, website, visitor, before).await.map_err(unavailable)
    }

    /// How an erasure of a website stands.
    pub async fn erasure(&self, website: Uuid, id: Uuid) -> Result<Option<String>, Problem> {
        erase::state(&self.client, website, id).await.map_err(unavailable)
    }

    /// Makes a day's sums equal to the events again, in all rollups and for all websites. Goes on to its end even when the
    /// caller goes away.
    pub async fn aggregate(&self, day: Day) -> Result<(), Problem> {
        let maintainer = self.maintainer.clone();
        let range = Range { from: day, to: day, website: None };
        let work = tokio::spawn(async move { maintainer.rebuild(None, range, &mut Silent).await });
        match work.await.map_err(Problem::internal)? {
            Ok(()) => Ok(()),
            Err(
                error @ (MigrateError::Locked(_)
                | MigrateError::Rollup(
                    RollupError::Loaders(EpochError::Behind(_)) | RollupError::NotBuilt(_),
                )),
            ) => Err(Problem::Unavailable { retry_after: RETRY_AFTER, cause: Some(Box::new(error)) }),
            Err(error) => Err(Problem::internal(error)),
        }
    }
}

fn unavailable(error: clickhouse::error::Error) -> Problem {
    Problem::Unavailable { retry_after: RETRY_AFTER, cause: Some(Box::new(error)) }
}
