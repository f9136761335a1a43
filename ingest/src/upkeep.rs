//! Upkeep: what the house does to the store by itself while events come in.
//!
//! A start makes the tables that a new or changed rollup needs; making them whole takes the loaders' help, and so
//! happens here, beside them. So does erasure (see `schema::erase`): of websites that were deleted, of visitors who asked
//! for it, and, at a start and every hour, of days that are beyond a website's retention: a website's day ends at its own
//! midnight, so each is looked at within the hour after it.

use std::time::Duration;

use schema::epochs::EpochError;
use schema::maintain::Maintainer;
use schema::migrate::MigrateError;
use schema::rollup::RollupError;
use schema::rollup::change::Silent;
use schema::store::StoreUrl;
use service::{Clock, Stop};
use tokio::time::Instant;

/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);

/// How often it looks for days that are beyond a website's retention.
const RETAIN: Duration = Duration::from_hours(1);

/// Finishes what is being built and erases what is to go, until `stop`. Several processes may: one works, the others
/// find it done.
pub async fn tend(store: StoreUrl, clock: Clock, stop: Stop) {
    let maintainer = Maintainer::new(store);
    let mut retained: Option<Instant> = None;
    loop {
        let is_time = retained.is_none_or(|last| last.elapsed() >= RETAIN);
        let work = async {
            look(&maintainer).await;
            let is_retained = is_time && retain(&maintainer, &clock).await;
            erase(&maintainer).await;
            is_retained
        };
        tokio::select! {
            // What is interrupted goes on where it was, or begins again.
            () = stop.cancelled() => return,
            is_retained = work => {
                if is_retained {
                    retained = Some(Instant::now());
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn look(maintainer: &Maintainer) {
    match maintainer.finish(&mut Silent).await {
        Ok(built) if built.is_empty() => {}
        Ok(built) => {
            tracing::info!(rollups = built.join(", "), "Rollups were built; reports are answered from them.");
        }
        Err(MigrateError::Rollup(RollupError::Loaders(EpochError::Behind(behind)))) => {
            tracing::info!(partitions = behind.len(), "A rollup waits for loaders to take up a change.");
        }
        Err(error) => {
            let cause = service::problem::chain(&error);
            tracing::warn!(cause, "Rollups could not be built; it is tried again.");
        }
    }
}

async fn retain(maintainer: &Maintainer, clock: &Clock) -> bool {
    match maintainer.retain(clock.now()).await {
        Ok(0) => true,
        Ok(websites) => {
            tracing::info!(websites, "Websites have days that are to be erased.");
            true
        }
        Err(error) => {
            let cause = service::problem::chain(&error);
            tracing::warn!(cause, "Retention could not be looked at; it is tried again.");
            false
        }
    }
}

async fn erase(maintainer: &Maintainer) {
    match maintainer.erase().await {
        Ok(_) => {}
        Err(MigrateError::Rollup(RollupError::Loaders(EpochError::Behind(behind)))) => {
            tracing::info!(partitions = behind.len(), "An erasure waits for loaders to take up a change.");
        }
        Err(error) => {
            let cause = service::problem::chain(&error);
            tracing::warn!(cause, "An erasure was not finished; it is tried again.");
        }
    }
}
