//! The loaders' side of the journal: one session at a time, one lease per partition.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::lock;
use super::shared::{Job, Mark, Shared};
use super::store::Bounds;
use crate::stream::{Lease, Leases, Offset, Partition, Position, ReadLimits, Stored, StreamError};

/// The leases of one call.
pub(super) struct Session {
    shared: Arc<Shared>,
    /// Empty when no lease is offered any more.
    offers: Mutex<Option<mpsc::Sender<Box<dyn Lease>>>>,
    /// Cancelled with the loaders' stop, when their receiver is dropped, or when the journal closes.
    revoked: CancellationToken,
    /// Leases that exist, taken or still in the channel.
    held: AtomicUsize,
}

impl Session {
    /// Offers every partition.
    pub(super) fn start(
        shared: &Arc<Shared>,
        stop: &CancellationToken,
    ) -> Result<(Arc<Self>, Leases), StreamError> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| StreamError::Unavailable(Box::new(error)))?;
        // One lease per partition exists at a time, so this channel is never full.
        let (offers, leases) = mpsc::channel(shared.partitions().max(1) as usize);
        let session = Arc::new(Self {
            shared: Arc::clone(shared),
            offers: Mutex::new(Some(offers.clone())),
            revoked: stop.child_token(),
            held: AtomicUsize::new(0),
        });
        for partition in 0..session.shared.partitions() {
            session.offer(partition);
        }
        runtime.spawn({
            let session = Arc::clone(&session);
            async move {
                tokio::select! {
                    () = session.revoked.cancelled() => {}
                    () = offers.closed() => {}
                }
                session.revoked.cancel();
                // So that the receiver ends.
                lock(&session.offers).take();
            }
        });
        Ok((session, leases))
    }

    /// Whether another session may begin.
    pub(super) fn is_over(&self) -> bool {
        let offering = lock(&self.offers).as_ref().is_some_and(|offers| !offers.is_closed());
        (!offering || self.revoked.is_cancelled()) && self.held.load(Ordering::Acquire) == 0
    }

    pub(super) fn end(&self) {
        self.revoked.cancel();
    }

    fn offer(self: &Arc<Self>, partition: Partition) {
        if self.revoked.is_cancelled() {
            return;
        }
        let Some(offers) = lock(&self.offers).clone() else { return };
        let Some(bounds) = self.shared.watch(partition) else { return };
        let now = *bounds.borrow();
        self.held.fetch_add(1, Ordering::AcqRel);
        let lease = JournalLease {
            session: Arc::clone(self),
            partition,
            position: Position { next: now.committed, plan: now.plan },
            next: now.committed,
            next_bytes: now.committed_bytes,
            bounds,
        };
        // When nobody listens any more, the lease is dropped here, and counted out.
        let _ = offers.try_send(Box::new(lease));
    }

    fn returned(self: &Arc<Self>, partition: Partition) {
        self.held.fetch_sub(1, Ordering::AcqRel);
        let listening = lock(&self.offers).as_ref().is_some_and(|offers| !offers.is_closed());
        if listening {
            self.offer(partition);
        }
    }
}

struct JournalLease {
    session: Arc<Session>,
    partition: Partition,
    position: Position,
    /// The read position, and the payload bytes ever appended before it.
    next: Offset,
    next_bytes: u64,
    bounds: watch::Receiver<Bounds>,
}

impl Drop for JournalLease {
    fn drop(&mut self) {
        self.session.returned(self.partition);
    }
}

impl JournalLease {
    /// Waits until the partition's bounds are as wanted.
    async fn wait(&mut self, wanted: impl Fn(&Bounds) -> bool) -> Result<Bounds, StreamError> {
        let revoked = &self.session.revoked;
        tokio::select! {
            biased;
            () = revoked.cancelled() => Err(StreamError::Closed),
            bounds = self.bounds.wait_for(|bounds| wanted(bounds)) => {
                bounds.map(|bounds| *bounds).map_err(|_| StreamError::Closed)
            }
        }
    }

    async fn mark(&self, mark: Mark) -> Result<(), StreamError> {
        let (reply, answer) = oneshot::channel();
        self.session.shared.send(Job::Mark { partition: self.partition, mark, reply })?;
        answer.await.unwrap_or(Err(StreamError::Closed))
    }
}

#[async_trait]
impl Lease for JournalLease {
    fn partition(&self) -> Partition {
        self.partition
    }

    fn position(&self) -> Position {
        self.position
    }

    fn revoked(&self) -> CancellationToken {
        self.session.revoked.clone()
    }

    async fn read(&mut self, limits: ReadLimits) -> Result<Vec<Stored>, StreamError> {
        let before = limits.before.unwrap_or(Offset::MAX);
        let now = *self.bounds.borrow();
        if now.committed > self.next {
            // What is committed is not read again, and may be trimmed already.
            (self.next, self.next_bytes) = (now.committed, now.committed_bytes);
        }
        let (next, next_bytes) = (self.next, self.next_bytes);
        if before <= next {
            return Ok(Vec::new());
        }
        let enough = move |bounds: &Bounds| {
            bounds.end - next >= limits.records as u64
                || bounds.end_bytes - next_bytes >= limits.bytes as u64
                || bounds.end >= before
        };
        let mut bounds = self.wait(move |bounds| bounds.end > next).await?;
        if !enough(&bounds) && !limits.linger.is_zero() {
            bounds = match tokio::time::timeout(limits.linger, self.wait(enough)).await {
                Ok(bounds) => bounds?,
                Err(_) => *self.bounds.borrow(),
            };
        }
        let shared = Arc::clone(&self.session.shared);
        let partition = self.partition;
        let to = bounds.end.min(before);
        let found = tokio::task::spawn_blocking(move || {
            shared.read(partition, next, to, limits.records, limits.bytes)
        })
        .await
        .map_err(|error| StreamError::Unavailable(Box::new(error)))??;
        // The position moves only here, after the last await: a call that is dropped moves nothing.
        self.next += found.records.len() as u64;
        self.next_bytes = found.bytes_after;
        Ok(found.records)
    }

    async fn plan(&mut self, end: Offset) -> Result<(), StreamError> {
        self.mark(Mark::Plan(end)).await
    }

    async fn commit(&mut self, end: Offset) -> Result<(), StreamError> {
        self.mark(Mark::Commit(end)).await
    }
}
