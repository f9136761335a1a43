//! What the journal's handle, its leases and its writer have in common.

use std::sync::mpsc::{SendError, Sender};
use std::sync::{Mutex, PoisonError, RwLock};

use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::lock;
use super::store::{Bounds, Found, Identity, PartState, Store, StoreError};
use crate::stream::{Offset, Partition, Record, StreamError};

pub(super) type Appended = Vec<Result<Offset, StreamError>>;

/// Work for the writer.
pub(super) enum Job {
    Append {
        records: Vec<Record>,
        reply: oneshot::Sender<Appended>,
        /// Room in the queue, given back when the job is done.
        permit: OwnedSemaphorePermit,
    },
    Mark {
        partition: Partition,
        mark: Mark,
        reply: oneshot::Sender<Result<(), StreamError>>,
    },
}

/// What a loader makes durable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    Plan(Offset),
    Commit(Offset),
}

/// The journal as everybody sees it: its store, what is durable in it, and the way to the writer.
pub(super) struct Shared {
    name: String,
    identity: Identity,
    /// Empty after a disk failure, and after the journal is closed.
    store: RwLock<Option<Store>>,
    bounds: Vec<watch::Sender<Bounds>>,
    /// Taken when the journal closes; the writer ends when it has done what was sent before.
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Shared {
    pub(super) fn new(identity: Identity, store: Store, parts: &[PartState], jobs: Sender<Job>) -> Self {
        Self {
            name: format!("journal-{:016x}", identity.epoch),
            identity,
            store: RwLock::new(Some(store)),
            bounds: parts.iter().map(|part| watch::Sender::new(part.bounds)).collect(),
            jobs: Mutex::new(Some(jobs)),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    pub(super) fn partitions(&self) -> u32 {
        self.identity.partitions
    }

    pub(super) fn watch(&self, partition: Partition) -> Option<watch::Receiver<Bounds>> {
        self.bounds.get(partition as usize).map(watch::Sender::subscribe)
    }

    pub(super) fn bounds(&self, partition: Partition) -> Result<Bounds, StreamError> {
        let bounds = self.bounds.get(partition as usize).ok_or(StoreError::NoPartition(partition))?;
        Ok(*bounds.borrow())
    }

    /// Tells the readers what is durable.
    pub(super) fn publish(&self, partition: usize, bounds: Bounds) {
        if let Some(published) = self.bounds.get(partition) {
            published.send_if_modified(|before| std::mem::replace(before, bounds) != bounds);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.jobs).is_none()
    }

    pub(super) fn shut(&self) {
        lock(&self.jobs).take();
    }

    pub(super) fn send(&self, job: Job) -> Result<(), StreamError> {
        let jobs = lock(&self.jobs);
        let sent = jobs.as_ref().map(|jobs| jobs.send(job).map_err(|SendError(_)| ()));
        if sent == Some(Ok(())) { Ok(()) } else { Err(StreamError::Closed) }
    }

    /// Reads from disk: call it where blocking is allowed.
    pub(super) fn read(
        &self,
        partition: Partition,
        from: Offset,
        to: Offset,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Found, StreamError> {
        // The lock is held while reading: a store that is replaced must not be in use anywhere.
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        match &*store {
            Some(store) => Ok(store.read(partition, from, to, max_records, max_bytes)?),
            None if self.is_closed() => Err(StreamError::Closed),
            None => Err(StoreError::Away.into()),
        }
    }

    pub(super) fn store(&self) -> Option<Store> {
        self.store.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the reads under way.
    pub(super) fn replace_store(&self, store: Option<Store>) {
        let old = std::mem::replace(&mut *self.store.write().unwrap_or_else(PoisonError::into_inner), store);
        drop(old);
    }
}
