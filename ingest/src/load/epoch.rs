//! Taking up epochs: how a worker lets the store's maintainers know that its rows of the past are complete.
//!
//! See `schema::epochs`. Between two batches a worker looks whether there is a newer epoch. It then writes its checkpoint,
//! forgets what it holds in memory (the maintainer may be about to change the rows that this was made of), and waits while
//! the epoch is held.

use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use schema::epochs::{self, Epoch, RETIRED};
use schema::erase::Erased;
use service::Stop;
use tokio::sync::watch;

use super::sessionise::Sessioniser;
use super::{Worker, WorkerError};
use crate::stream::Offset;

/// How often a loader looks for a new epoch: what a maintainer waits for it at most, and four small queries a second.
const LOOK: Duration = Duration::from_millis(250);

/// Publishes the newest epoch until `stop`. A store that does not answer leaves the last one.
pub(super) fn watch(client: Client, stop: Stop) -> watch::Receiver<Epoch> {
    let (tell, newest) = watch::channel(Epoch::default());
    tokio::spawn(async move {
        loop {
            if let Ok(epoch) = epochs::current(&client).await {
                tell.send_if_modified(|known| std::mem::replace(known, epoch) != epoch);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
                () = tell.closed() => return,
            }
        }
    });
    newest
}

impl Worker {
    /// The epoch that the partition is in: that of its last checkpoint. A batch that was planned is made again in it.
    /// `None`: no maintainer has waited for this partition, because it is new, or because its stream was given up.
    pub(super) async fn recorded_epoch(&self) -> Result<Option<u32>, WorkerError> {
        let recorded = epochs::of_partition(&self.client, self.stream.id(), self.partition).await?;
        Ok(recorded.filter(|epoch| *epoch != RETIRED))
    }

    /// Goes over to the newest epoch, if `sessions` is not in it yet, with the rows from `next` on; waits while it is held.
    pub(super) async fn take_up_epoch(
        &self,
        sessions: &mut Sessioniser,
        next: Offset,
        is_recorded: bool,
    ) -> Result<(), WorkerError> {
        let mut is_recorded = is_recorded;
        loop {
            let newest = epochs::current(&self.client).await?;
            if !is_recorded || newest.number != sessions.epoch() {
                epochs::checkpoint(&self.client, self.stream.id(), self.partition, newest.number, next)
                    .await?;
                *sessions = Sessioniser::of_epoch(newest.number);
                is_recorded = true;
                tracing::debug!(
                    partition = self.partition,
                    epoch = newest.number,
                    offset = next,
                    "A new epoch was taken up."
                );
                // A maintainer who began another one before this checkpoint could be seen did not wait for it.
                continue;
            }
            if !newest.held {
                return Ok(());
            }
            tokio::time::sleep(LOOK / 2).await;
        }
    }

    /// What an epoch's batches leave out. Asked until the store answers: nothing may be stored of it.
    pub(super) async fn erased(&self, epoch: u32) -> Result<Arc<Erased>, WorkerError> {
        let mut known = self.erased.lock().await;
        if let Some((of, erased)) = &*known
            && *of == epoch
        {
            return Ok(Arc::clone(erased));
        }
        loop {
            match Erased::of_epoch(&self.client, epoch).await {
                Ok(erased) => {
                    let erased = Arc::new(erased);
                    *known = Some((epoch, Arc::clone(&erased)));
                    return Ok(erased);
                }
                Err(error @ clickhouse::error::Error::SchemaMismatch(_)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, partition = self.partition, "What is erased could not be read; it is tried again.");
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }
}
