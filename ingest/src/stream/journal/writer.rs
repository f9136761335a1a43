//! The one thread that writes: group commit, marks, trimming, and recovery from a full disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use fjall::OwnedWriteBatch;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::JournalOptions;
use super::shared::{Appended, Job, Mark, Shared};
use super::store::{PartState, Store, StoreError};
use crate::stream::{Offset, Partition, Record, StreamError};

/// Records removed after each group beyond as many as the group added, so that trimming keeps up and
/// never holds an append for long.
const TRIM: u64 = 4_096;
/// How often a journal whose disk was full is opened again.
const HEAL_EVERY: Duration = Duration::from_secs(1);

/// The state of the disk as the writer knows it.
enum Health {
    Good,
    /// The store is closed; opened again at the earliest `HEAL_EVERY` after this moment.
    Broken(Instant),
    /// Only a restart helps.
    Dead,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    inbox: Receiver<Job>,
    /// What is durable.
    parts: Vec<PartState>,
    health: Health,
    path: PathBuf,
    max_bytes: u64,
    group_bytes: usize,
    /// Records that the groups since the last trimming added.
    grown: u64,
}

/// A caller, and what it hears when the group is on disk.
enum Answer {
    Append(oneshot::Sender<Appended>, Appended, OwnedSemaphorePermit),
    Mark(oneshot::Sender<Result<(), StreamError>>, Result<(), StreamError>),
}

impl Answer {
    fn give(self) {
        // A caller that went away does not mind.
        match self {
            Self::Append(reply, result, permit) => {
                drop(permit);
                let _ = reply.send(result);
            }
            Self::Mark(reply, result) => {
                let _ = reply.send(result);
            }
        }
    }

    /// Nothing of the group was stored: no success may be told.
    fn fail(&mut self, error: &StoreError) {
        match self {
            Self::Append(_, results, _) => {
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err(error.clone().into());
                }
            }
            Self::Mark(_, result) if result.is_ok() => *result = Err(error.clone().into()),
            Self::Mark(..) => {}
        }
    }
}

/// A group before it is on disk.
struct Staged {
    batch: OwnedWriteBatch,
    parts: Vec<PartState>,
    touched: BTreeSet<Partition>,
    /// Payload bytes that wait for a commit.
    held: u64,
    added: u64,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: Receiver<Job>,
        parts: Vec<PartState>,
        options: &JournalOptions,
    ) -> Self {
        Self {
            shared,
            inbox,
            parts,
            health: Health::Good,
            path: options.path.clone(),
            max_bytes: options.max_bytes,
            group_bytes: options.group_bytes,
            grown: 0,
        }
    }

    /// Works until the journal is closed and everything sent before is answered.
    pub(super) fn run(mut self) {
        loop {
            self.heal_if_due();
            match self.next() {
                Ok(Some(job)) => {
                    let group = self.gather(job);
                    self.write(group);
                }
                Ok(None) => {}
                Err(Disconnected) => break,
            }
            self.trim();
        }
        self.shared.replace_store(None);
    }

    /// The next job; `None` when there is other work to do meanwhile.
    fn next(&self) -> Result<Option<Job>, Disconnected> {
        if matches!(self.health, Health::Broken(_)) {
            return match self.inbox.recv_timeout(HEAL_EVERY) {
                Ok(job) => Ok(Some(job)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(Disconnected),
            };
        }
        let idle = self.parts.iter().all(|part| part.trimmed >= part.bounds.committed);
        if idle || matches!(self.health, Health::Dead) {
            return self.inbox.recv().map(Some).map_err(|_| Disconnected);
        }
        match self.inbox.try_recv() {
            Ok(job) => Ok(Some(job)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Disconnected),
        }
    }

    /// Takes what is waiting, up to the size of a group. Nobody is waited for.
    fn gather(&self, first: Job) -> Vec<Job> {
        let weight = |job: &Job| match job {
            Job::Append { records, .. } => records.iter().map(|record| record.payload.len()).sum(),
            Job::Mark { .. } => 0,
        };
        let mut bytes: usize = weight(&first);
        let mut group = vec![first];
        while bytes < self.group_bytes {
            let Ok(job) = self.inbox.try_recv() else { break };
            bytes += weight(&job);
            group.push(job);
        }
        group
    }

    /// Stores a group, all of it or nothing, then answers.
    fn write(&mut self, group: Vec<Job>) {
        let store = self.shared.store();
        let mut answers;
        let result = if let Some(store) = &store {
            let mut staged = self.stage(store);
            answers = group.into_iter().map(|job| self.apply(store, &mut staged, job)).collect::<Vec<_>>();
            self.commit(store, staged)
        } else {
            answers = group.into_iter().map(refuse).collect();
            Ok(())
        };
        drop(store);
        if let Err(error) = result {
            for answer in &mut answers {
                answer.fail(&error);
            }
            self.give_up(&error);
        }
        for answer in answers {
            answer.give();
        }
    }

    fn stage(&self, store: &Store) -> Staged {
        let held = self.parts.iter().map(|part| part.bounds.end_bytes - part.bounds.committed_bytes).sum();
        Staged { batch: store.batch(), parts: self.parts.clone(), touched: BTreeSet::new(), held, added: 0 }
    }

    fn apply(&self, store: &Store, staged: &mut Staged, job: Job) -> Answer {
        match job {
            Job::Append { records, reply, permit } => {
                let mut results = Vec::with_capacity(records.len());
                let mut full = false;
                for record in records {
                    // After the first refusal the rest of the call is refused too: a later record
                    // must not overtake an earlier one that the caller will send again.
                    full = full || staged.held + record.payload.len() as u64 > self.max_bytes;
                    results.push(if full {
                        Err(StreamError::Full)
                    } else {
                        append(store, staged, &record).map_err(StreamError::from)
                    });
                }
                Answer::Append(reply, results, permit)
            }
            Job::Mark { partition, mark, reply } => {
                let result = self.mark(store, staged, partition, mark).map_err(StreamError::from);
                Answer::Mark(reply, result)
            }
        }
    }

    fn mark(
        &self,
        store: &Store,
        staged: &mut Staged,
        partition: Partition,
        mark: Mark,
    ) -> Result<(), StoreError> {
        let missing = StoreError::NoPartition(partition);
        // Only what is durable can have been read, so only that can be planned or committed.
        let durable = self.parts.get(partition as usize).ok_or_else(|| missing.clone())?.bounds;
        let bounds = &mut staged.parts.get_mut(partition as usize).ok_or(missing)?.bounds;
        let (Mark::Plan(asked) | Mark::Commit(asked)) = mark;
        if asked < bounds.committed || asked > durable.end {
            let (committed, end) = (bounds.committed, durable.end);
            return Err(StoreError::OutOfRange { partition, asked, committed, end });
        }
        match mark {
            Mark::Plan(end) => bounds.plan = Some(end),
            Mark::Commit(end) => {
                let bytes = if end == durable.end {
                    durable.end_bytes
                } else if end == bounds.committed {
                    bounds.committed_bytes
                } else {
                    store.bytes_before(partition, end)?
                };
                staged.held -= bytes - bounds.committed_bytes;
                bounds.committed = end;
                bounds.committed_bytes = bytes;
                bounds.plan = None;
            }
        }
        staged.touched.insert(partition);
        Ok(())
    }

    fn commit(&mut self, store: &Store, mut staged: Staged) -> Result<(), StoreError> {
        for &partition in &staged.touched {
            store.put_state(&mut staged.batch, partition, &staged.parts[partition as usize]);
        }
        staged.batch.commit()?;
        self.parts = staged.parts;
        self.grown += staged.added;
        for &partition in &staged.touched {
            self.publish(partition as usize);
        }
        Ok(())
    }

    fn publish(&self, partition: usize) {
        let bounds = self.parts[partition].bounds;
        self.shared.publish(partition, bounds);
    }

    /// Removes committed records, a bounded number at a time, without an fsync.
    fn trim(&mut self) {
        let Some(store) = self.shared.store() else { return };
        let mut budget = TRIM + std::mem::take(&mut self.grown);
        let mut batch = store.careless_batch();
        let mut trimmed = self.parts.clone();
        for (partition, part) in (0..).zip(&mut trimmed) {
            let until = part.bounds.committed.min(part.trimmed + budget);
            if part.trimmed >= until {
                continue;
            }
            for offset in part.trimmed..until {
                store.remove(&mut batch, partition, offset);
            }
            budget -= until - part.trimmed;
            part.trimmed = until;
            store.put_state(&mut batch, partition, part);
        }
        let result = batch.commit();
        drop(store);
        match result {
            Ok(()) => self.parts = trimmed,
            Err(error) => self.give_up(&error.into()),
        }
    }

    /// Closes a store that failed. The engine refuses every write after a failed one, so it must be opened
    /// again; and at once, because what it still holds in its buffers was answered as not stored.
    fn give_up(&mut self, error: &StoreError) {
        self.shared.replace_store(None);
        let path = self.path.display();
        if error.is_curable() {
            tracing::error!(
                error = error as &dyn std::error::Error,
                %path,
                "The journal could not write; it will be opened again."
            );
            self.health = Health::Broken(Instant::now());
        } else {
            tracing::error!(
                error = error as &dyn std::error::Error,
                %path,
                "The journal's disk failed; nothing is taken until a restart."
            );
            self.health = Health::Dead;
        }
    }

    fn heal_if_due(&mut self) {
        let Health::Broken(since) = self.health else { return };
        if since.elapsed() < HEAL_EVERY {
            return;
        }
        match Store::open(&self.path, self.shared.partitions()) {
            Ok((store, identity, parts)) if identity == self.shared.identity() => {
                self.parts = parts;
                self.shared.replace_store(Some(store));
                self.health = Health::Good;
                for partition in 0..self.parts.len() {
                    self.publish(partition);
                }
                tracing::info!(path = %self.path.display(), "The journal was opened again.");
            }
            Ok(_) => {
                tracing::error!(path = %self.path.display(), "The journal's folder now holds another journal.");
                self.health = Health::Dead;
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "The journal could not be opened again yet."
                );
                self.health = Health::Broken(Instant::now());
            }
        }
    }
}

/// The journal was closed and every job before is done.
struct Disconnected;

fn append(store: &Store, staged: &mut Staged, record: &Record) -> Result<Offset, StoreError> {
    let Record { partition, ref payload } = *record;
    let part = staged.parts.get_mut(partition as usize).ok_or(StoreError::NoPartition(partition))?;
    let offset = part.bounds.end;
    store.put(&mut staged.batch, partition, offset, part.bounds.end_bytes, payload);
    part.bounds.end += 1;
    part.bounds.end_bytes += payload.len() as u64;
    staged.held += payload.len() as u64;
    staged.added += 1;
    staged.touched.insert(partition);
    Ok(offset)
}

fn refuse(job: Job) -> Answer {
    match job {
        Job::Append { records, reply, permit } => {
            let results = records.iter().map(|_| Err(StoreError::Away.into())).collect();
            Answer::Append(reply, results, permit)
        }
        Job::Mark { reply, .. } => Answer::Mark(reply, Err(StoreError::Away.into())),
    }
}
