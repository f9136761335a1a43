//! From the stream to the store: read a batch, give every event its deltas, insert it once.
//!
//! One worker per partition that this process holds. A batch's life: read → **plan** (its range is made durable) →
//! decode → claim event ids → sessionise → **insert** under a token made of that range → **commit**. After a crash anywhere the next worker finds
//! the plan, makes the same batch from the same records and the same earlier rows, and inserts it under the same token:
//! what had landed is dropped by the store, what had not lands now, in the table and in every view.

use std::sync::Arc;
use std::time::Duration;

use clickhouse::Client;
use schema::epochs::Epoch;
use schema::erase::Erased;
use service::{Clock, Stop, failpoint};
use thiserror::Error;
use tokio::sync::{Mutex, watch};

use crate::stream::{Lease, Offset, ReadLimits, Stored, Stream, StreamError};
use crate::telemetry;

mod batch;
mod claims;
mod epoch;
pub mod insert;
mod landed;
pub mod recall;
mod row;
pub mod sessionise;

use batch::Past;
use insert::GivenUp;
use recall::Before;
use sessionise::Sessioniser;

/// How the loader works. The numbers are those of the design.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// A batch is at most this many events.
    pub batch_rows: usize,
    /// A batch is at most about this many bytes of records.
    pub batch_bytes: usize,
    /// A batch is inserted at the latest this long after its first event was read.
    pub linger: Duration,
    /// A website's day that got no event for so long is forgotten; it can be recalled.
    pub forget_after: Duration,
    /// At most this many sessions are held in memory per partition; the least recently used days go first.
    pub sessions: usize,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            batch_rows: 100_000,
            batch_bytes: 32 * 1024 * 1024,
            linger: Duration::from_secs(1),
            forget_after: Duration::from_hours(2),
            sessions: 1_000_000,
        }
    }
}

/// First pause before loading begins again after a failure; doubles up to [`RESTART_LIMIT`].
const RESTART_AFTER: Duration = Duration::from_millis(200);

/// Longest pause before loading begins again.
const RESTART_LIMIT: Duration = Duration::from_secs(10);

/// Why a worker ended before it was told to.
#[derive(Debug, Error)]
enum WorkerError {
    #[error("the stream failed")]
    Stream(#[from] StreamError),
    #[error("the store failed while earlier rows were read")]
    Store(#[from] clickhouse::error::Error),
    #[error("{0}")]
    GivenUp(#[from] GivenUp),
    #[error("the store refused claims of event ids: {0}")]
    Refused(&'static str),
    #[error("the planned batch up to {end} cannot be read again: the stream ended at {at}")]
    PlanBroken { end: Offset, at: Offset },
    #[error("a worker died")]
    Died,
}

/// Loads every partition that the stream gives this process, until `stop` is cancelled. A worker that fails ends
/// all of them; after a pause they begin again from what was committed.
pub async fn run(stream: Arc<dyn Stream>, client: Client, config: LoadConfig, clock: Clock, stop: Stop) {
    let loader = Loader { stream, client, config, clock };
    let mut wait = RESTART_AFTER;
    while !stop.is_cancelled() {
        let began = tokio::time::Instant::now();
        let round = stop.child_token();
        match loader.load(round.clone()).await {
            Ok(()) => {}
            Err(error) => {
                let cause = service::problem::chain(&error);
                tracing::error!(cause, wait_ms = wait.as_millis() as u64, "Loading failed; it begins again.");
            }
        }
        round.cancel();
        if began.elapsed() > RESTART_LIMIT {
            wait = RESTART_AFTER;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
        wait = (wait * 2).min(RESTART_LIMIT);
    }
}

struct Loader {
    stream: Arc<dyn Stream>,
    client: Client,
    config: LoadConfig,
    clock: Clock,
}

impl Loader {
    /// One round: workers for the leases as they come, until the end or the first failure.
    async fn load(&self, stop: Stop) -> Result<(), WorkerError> {
        let mut leases = self.stream.leases(stop.clone())?;
        let epochs = epoch::watch(self.client.clone(), stop.clone());
        let mut workers = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                lease = leases.recv() => {
                    let Some(lease) = lease else { break };
                    let worker = Worker {
                        partition: lease.partition(),
                        stream: Arc::clone(&self.stream),
                        client: self.client.clone(),
                        config: self.config.clone(),
                        clock: self.clock.clone(),
                        epochs: epochs.clone(),
                        erased: Mutex::default(),
                    };
                    workers.spawn(worker.run(lease, stop.clone()));
                }
                Some(ended) = workers.join_next() => {
                    // A panic of a worker is a failure like any other: the round ends and begins again.
                    ended.unwrap_or(Err(WorkerError::Died))?;
                }
                () = stop.cancelled() => break,
            }
        }
        while let Some(ended) = workers.join_next().await {
            ended.unwrap_or(Err(WorkerError::Died))?;
        }
        Ok(())
    }
}

struct Worker {
    partition: u32,
    stream: Arc<dyn Stream>,
    client: Client,
    config: LoadConfig,
    clock: Clock,
    /// The newest epoch, as far as this process knows.
    epochs: watch::Receiver<Epoch>,
    /// What is dropped in the epoch that was asked about last.
    erased: Mutex<Option<(u32, Arc<Erased>)>>,
}

impl Worker {
    /// Works until the lease is revoked, the end, or a failure.
    async fn run(self, mut lease: Box<dyn Lease>, stop: Stop) -> Result<(), WorkerError> {
        let revoked = lease.revoked();
        let end = stop.child_token();
        let outcome = tokio::select! {
            outcome = self.work(&mut *lease, &end) => outcome,
            () = revoked.cancelled() => Err(WorkerError::Stream(StreamError::Lost)),
            () = end.cancelled() => Ok(()),
        };
        telemetry::held(self.partition, 0, 0);
        match outcome {
            Err(WorkerError::GivenUp(GivenUp) | WorkerError::Stream(StreamError::Closed)) => Ok(()),
            Err(WorkerError::Stream(StreamError::Lost)) if end.is_cancelled() => Ok(()),
            Err(WorkerError::Stream(StreamError::Lost)) => {
                tracing::info!(partition = self.partition, "The partition went to another loader.");
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn work(&self, lease: &mut dyn Lease, end: &Stop) -> Result<(), WorkerError> {
        let start = lease.position();
        let mut next = start.next;
        let recorded = self.recorded_epoch().await?;
        let mut sessions = Sessioniser::of_epoch(recorded.unwrap_or_default());
        let mut landed_end = landed::end(&self.client, &self.before(next)).await?;
        if let (None, Some(planned)) = (recorded, start.plan) {
            // In which epoch the first try was made cannot be known, nor whether its rows were counted since: each is
            // looked up.
            landed_end = landed_end.max(planned);
        }
        // What lies behind the plan's end was stored when the offsets were not set back yet: the plan is no word on it.
        let plan = start.plan.filter(|planned| *planned > next && *planned >= landed_end);
        if let (Some(recorded), Some(planned)) = (recorded, plan) {
            tracing::info!(
                partition = self.partition,
                from = next,
                to = planned,
                "A planned batch is made again."
            );
            let records = self.read_planned(lease, planned).await?;
            let refused = landed::refused(&self.client, &self.before(next), planned).await?;
            let past = Past { refused, ..Past::default() };
            self.store(lease, &mut sessions, next..planned, &records, past, end).await?;
            lease.commit(planned).await?;
            next = planned;
            // What landed of it may be the first try's: memory begins with what the rows say.
            sessions = Sessioniser::of_epoch(recorded);
        }
        self.take_up_epoch(&mut sessions, next, false).await?;
        let mut epochs = self.epochs.clone();
        let limits = ReadLimits {
            records: self.config.batch_rows,
            bytes: self.config.batch_bytes,
            linger: self.config.linger,
            before: None,
        };
        next = self.pass_over_landed(lease, sessions.epoch(), next, landed_end, limits, end).await?;
        loop {
            let records = tokio::select! {
                biased;
                Ok(()) = epochs.changed() => {
                    if epochs.borrow_and_update().number != sessions.epoch() {
                        self.take_up_epoch(&mut sessions, next, true).await?;
                    }
                    continue;
                }
                records = lease.read(limits) => records?,
            };
            let Some(last) = records.last() else { continue };
            let to = last.offset + 1;
            failpoint::pass("after_poll");
            lease.plan(to).await?;
            failpoint::pass("after_plan");
            self.store(lease, &mut sessions, next..to, &records, Past::default(), end).await?;
            failpoint::pass("after_insert");
            lease.commit(to).await?;
            failpoint::pass("after_commit");
            next = to;
            sessions.forget_idle(self.clock.now() - self.config.forget_after.as_millis() as i64);
            sessions.forget_beyond(self.config.sessions);
            telemetry::held(self.partition, sessions.sessions(), sessions.days());
        }
    }

    /// Reads what was stored before, if offsets were set back, and inserts only what is missing of it. Returns where
    /// reading goes on.
    async fn pass_over_landed(
        &self,
        lease: &mut dyn Lease,
        epoch: u32,
        mut next: Offset,
        landed_end: Offset,
        limits: ReadLimits,
        end: &Stop,
    ) -> Result<Offset, WorkerError> {
        if next < landed_end {
            tracing::warn!(
                partition = self.partition,
                from = next,
                to = landed_end,
                "The offsets were set back; what was stored before is passed over."
            );
        }
        let mut sessions = Sessioniser::of_epoch(epoch);
        while next < landed_end {
            let records = lease.read(ReadLimits { before: Some(landed_end), ..limits }).await?;
            let Some(last) = records.last() else { return Ok(next) };
            let to = last.offset + 1;
            let before = self.before(next);
            let refused = landed::refused(&self.client, &before, to).await?;
            let decoded = self.decode(&records, &refused);
            let landed = landed::of_batch(&self.client, &before, to, &decoded.events).await?;
            let past = Past { refused, landed: Some(landed) };
            self.store(lease, &mut sessions, next..to, &records, past, end).await?;
            lease.commit(to).await?;
            next = to;
        }
        Ok(next)
    }

    /// The rows that were stored before this offset of the partition.
    fn before(&self, offset: Offset) -> Before<'_> {
        Before { stream: self.stream.id(), partition: self.partition, offset }
    }

    /// Reads exactly the records of a planned batch.
    async fn read_planned(&self, lease: &mut dyn Lease, end: Offset) -> Result<Vec<Stored>, WorkerError> {
        let mut records: Vec<Stored> = Vec::new();
        loop {
            let at = records.last().map_or(0, |record| record.offset + 1);
            if at >= end {
                return Ok(records);
            }
            let limits = ReadLimits {
                records: usize::MAX,
                bytes: usize::MAX,
                linger: Duration::ZERO,
                before: Some(end),
            };
            let more = lease.read(limits).await?;
            if more.is_empty() {
                return Err(WorkerError::PlanBroken { end, at });
            }
            records.extend(more);
        }
    }
}
