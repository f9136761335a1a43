//! A partition that the group gave to this member.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::group::{Membership, Returned};
use super::offsets::{Topic, is_lost, offset_of};
use super::{lock, unavailable};
use crate::stream::{Lease, Offset, Partition, Position, ReadLimits, Stored, StreamError};

/// Messages taken from librdkafka's queue before other tasks get a turn.
const CHUNK: usize = 1_024;

/// What the holder of a lease and the group's thread both know about it.
pub(super) struct Tenure {
    pub(super) revoked: CancellationToken,
    commits: Mutex<Commits>,
}

struct Commits {
    /// Brokers take a commit from any member of the group, also for a partition that went to
    /// another. So we refuse it ourselves.
    alive: bool,
    committed: Offset,
    /// Number of the last plan or commit that ran. A call that was dropped by its caller may reach its
    /// thread after a later one, and must not undo it.
    last: u64,
}

/// What a loader makes durable.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Plan(Offset),
    Commit(Offset),
}

impl Tenure {
    pub(super) fn new(revoked: CancellationToken, committed: Offset) -> Self {
        Self { revoked, commits: Mutex::new(Commits { alive: true, committed, last: 0 }) }
    }

    /// From here on nothing is planned or committed under this lease. Waits for a commit under way.
    pub(super) fn end(&self) {
        self.revoked.cancel();
        lock(&self.commits).alive = false;
    }

    /// Blocks until the broker answers.
    fn mark(
        &self,
        consumer: &BaseConsumer<Membership>,
        topic: &Topic,
        partition: Partition,
        number: u64,
        mark: Mark,
    ) -> Result<(), StreamError> {
        let mut commits = lock(&self.commits);
        if !commits.alive {
            return Err(StreamError::Lost);
        }
        if number < commits.last {
            return Err(StreamError::Unavailable("a later plan or commit overtook this one".into()));
        }
        commits.last = number;
        let (Mark::Plan(asked) | Mark::Commit(asked)) = mark;
        if asked < commits.committed {
            let sentence = format!("offset {asked} is before the committed offset {}", commits.committed);
            return Err(StreamError::Unavailable(sentence.into()));
        }
        let position = match mark {
            Mark::Plan(end) => Position { next: commits.committed, plan: Some(end) },
            Mark::Commit(end) => Position { next: end, plan: None },
        };
        match topic.commit(consumer, partition.cast_signed(), position) {
            Ok(()) => {
                commits.committed = position.next;
                Ok(())
            }
            Err(error) if is_lost(&error) => {
                tracing::warn!(%error, partition, "The partition was taken over by another loader.");
                commits.alive = false;
                self.revoked.cancel();
                Err(StreamError::Lost)
            }
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// What a lease borrows from its group. It is given back when the lease ends, because dropping the last
/// handle of a consumer blocks.
pub(super) struct Loan {
    pub(super) queue: PartitionQueue<Membership>,
    pub(super) consumer: Arc<BaseConsumer<Membership>>,
}

pub(super) struct KafkaLease {
    pub(super) partition: Partition,
    pub(super) position: Position,
    pub(super) tenure: Arc<Tenure>,
    pub(super) topic: Arc<Topic>,
    /// Cancelled when the loader stops, as against when the partition is lost.
    pub(super) stop: CancellationToken,
    pub(super) loan: Option<Loan>,
    /// Told when the queue is no longer empty.
    pub(super) wake: Arc<Notify>,
    pub(super) back: std::sync::mpsc::Sender<Returned>,
    /// Taken from the queue, not yet returned by a read.
    pub(super) buffer: VecDeque<Stored>,
    pub(super) buffered_bytes: usize,
    /// The offset of the next message that the queue will give, or less.
    pub(super) fetched: Offset,
    pub(super) marks: u64,
}

impl Drop for KafkaLease {
    fn drop(&mut self) {
        if let Some(loan) = self.loan.take() {
            let returned = Returned { partition: self.partition.cast_signed(), loan };
            if let Err(unclaimed) = self.back.send(returned) {
                // The group's thread outlives its leases; should it be gone all the same, still do not block.
                std::thread::spawn(move || drop(unclaimed));
            }
        }
    }
}

impl KafkaLease {
    fn ended(&self) -> StreamError {
        if self.stop.is_cancelled() { StreamError::Closed } else { StreamError::Lost }
    }

    /// Moves what librdkafka has fetched into the buffer. Says whether there may be more.
    fn gather(&mut self, limits: &ReadLimits) -> Result<bool, StreamError> {
        let Some(loan) = &self.loan else { return Err(self.ended()) };
        for _ in 0..CHUNK {
            if self.buffer.len() >= limits.records || self.buffered_bytes >= limits.bytes {
                return Ok(false);
            }
            let message = match loan.queue.poll(Duration::ZERO) {
                None => return Ok(false),
                Some(Err(error)) => return Err(unavailable(error)),
                Some(Ok(message)) => message,
            };
            let offset = offset_of(message.offset());
            if offset < self.fetched {
                // Fetched before a seek.
                continue;
            }
            if offset > self.fetched {
                tracing::warn!(
                    partition = self.partition,
                    expected = self.fetched,
                    offset,
                    "Records are missing from the topic; its retention is shorter than the delay of the loaders."
                );
            }
            self.fetched = offset + 1;
            let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
            self.buffered_bytes += payload.len();
            self.buffer.push_back(Stored { offset, payload });
        }
        Ok(true)
    }

    /// Takes from the buffer what the limits allow.
    fn take(&mut self, limits: &ReadLimits) -> Vec<Stored> {
        let before = limits.before.unwrap_or(Offset::MAX);
        let mut taken = Vec::with_capacity(self.buffer.len().min(limits.records));
        let mut bytes = 0;
        while taken.len() < limits.records.max(1) && (bytes < limits.bytes || taken.is_empty()) {
            let Some(record) = pop_before(&mut self.buffer, before) else { break };
            bytes += record.payload.len();
            taken.push(record);
        }
        self.buffered_bytes -= bytes;
        taken
    }

    async fn mark(&mut self, mark: Mark) -> Result<(), StreamError> {
        let Some(loan) = &self.loan else { return Err(self.ended()) };
        self.marks += 1;
        let number = self.marks;
        let (tenure, topic, partition) = (Arc::clone(&self.tenure), Arc::clone(&self.topic), self.partition);
        let consumer = Arc::clone(&loan.consumer);
        tokio::task::spawn_blocking(move || tenure.mark(&consumer, &topic, partition, number, mark))
            .await
            .map_err(unavailable)?
    }
}

#[async_trait]
impl Lease for KafkaLease {
    fn partition(&self) -> Partition {
        self.partition
    }

    fn position(&self) -> Position {
        self.position
    }

    fn revoked(&self) -> CancellationToken {
        self.tenure.revoked.clone()
    }

    async fn read(&mut self, limits: ReadLimits) -> Result<Vec<Stored>, StreamError> {
        let limits = ReadLimits { records: limits.records.max(1), bytes: limits.bytes.max(1), ..limits };
        let before = limits.before.unwrap_or(Offset::MAX);
        let wake = Arc::clone(&self.wake);
        let revoked = self.tenure.revoked.clone();
        let mut deadline = None;
        // Whatever is gathered stays in the buffer until it is returned, so this future may be dropped
        // at any await.
        loop {
            if revoked.is_cancelled() {
                return Err(self.ended());
            }
            let more = self.gather(&limits)?;
            let reached = self.buffer.front().map_or(self.fetched, |record| record.offset) >= before;
            let enough = self.buffer.len() >= limits.records
                || self.buffered_bytes >= limits.bytes
                || self.fetched >= before;
            if reached || enough {
                return Ok(self.take(&limits));
            }
            if more {
                tokio::task::yield_now().await;
                continue;
            }
            if deadline.is_none() && !self.buffer.is_empty() {
                deadline = Some(Instant::now() + limits.linger);
            }
            tokio::select! {
                biased;
                () = revoked.cancelled() => {}
                () = wake.notified() => {}
                () = until(deadline) => return Ok(self.take(&limits)),
            }
        }
    }

    async fn plan(&mut self, end: Offset) -> Result<(), StreamError> {
        self.mark(Mark::Plan(end)).await
    }

    async fn commit(&mut self, end: Offset) -> Result<(), StreamError> {
        self.mark(Mark::Commit(end)).await?;
        // What is committed is not read again.
        while let Some(record) = pop_before(&mut self.buffer, end) {
            self.buffered_bytes -= record.payload.len();
        }
        self.fetched = self.fetched.max(end);
        Ok(())
    }
}

fn pop_before(buffer: &mut VecDeque<Stored>, before: Offset) -> Option<Stored> {
    if buffer.front()?.offset < before { buffer.pop_front() } else { None }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
