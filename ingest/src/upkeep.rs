//! Upkeep: what the house does to the store by itself while events come in.
//!
//! A start makes the tables that a new or changed rollup needs; making them whole takes the loaders' help, and so
//! happens here, beside them.

use std::time::Duration;

use schema::epochs::EpochError;
use schema::maintain::Maintainer;
use schema::migrate::MigrateError;
use schema::rollup::RollupError;
use schema::rollup::change::Silent;
use schema::store::StoreUrl;
use service::Stop;

/// How often it looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(5);

/// Finishes what is being built, until `stop`. Several processes may: one works, the others find it done.
pub async fn tend(store: StoreUrl, stop: Stop) {
    let maintainer = Maintainer::new(store);
    loop {
        tokio::select! {
            // An interrupted build goes on with the day that it was at.
            () = stop.cancelled() => return,
            () = look(&maintainer) => {}
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
