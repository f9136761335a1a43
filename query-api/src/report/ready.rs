//! Which rollups can be asked: while one is being built, in a new version or for the first time, the events answer.

use std::time::Duration;

use clickhouse::Client;
use schema::rollup::{ROLLUPS, tables};
use schema::store::StoreUrl;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// For how long an answer of the store is good. A rollup that was just built is asked so much later.
const FRESH: Duration = Duration::from_secs(5);

/// What the store said last.
#[derive(Default)]
struct Known {
    asked_at: Option<Instant>,
    rollups: Vec<&'static str>,
}

/// Asks the store, and remembers the answer for a while.
pub(crate) struct Ready {
    client: Client,
    known: Mutex<Known>,
}

impl Ready {
    pub(crate) fn new(store: &StoreUrl) -> Self {
        Self { client: store.client(), known: Mutex::default() }
    }

    /// Whether a rollup is whole, in the version of this release.
    pub(crate) async fn has(&self, rollup: &str) -> bool {
        let mut known = self.known.lock().await;
        if known.asked_at.is_none_or(|at| at.elapsed() > FRESH) {
            match tables::usable(&self.client, ROLLUPS).await {
                Ok(rollups) => *known = Known { asked_at: Some(Instant::now()), rollups },
                // The question itself will tell what is wrong with the store.
                Err(error) => tracing::debug!(%error, "The store did not say which rollups are whole."),
            }
        }
        known.rollups.contains(&rollup)
    }
}
