//! The embedded stream: a folder on this machine's disk, and nothing to install.
//!
//! One thread writes. It takes every append, plan and commit that is waiting, stores them as one
//! atomic batch with one fsync, and answers the callers; so a busy house pays one fsync for hundreds of
//! events and a quiet one waits for nobody. Readers never ask the writer: each partition publishes
//! its bounds, and a lease reads the records between its position and the durable end.
//!
//! The number of partitions and the journal's name are decided when the folder is made, because
//! both are part of what is already stored elsewhere: a person's events stay in one partition, and a
//! deduplication token names the journal.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use self::lease::Session;
use self::shared::{Job, Shared};
use self::store::{Bounds, Identity, PartState, Store};
use self::writer::Writer;
use super::{Leases, Offset, Partition, Record, Stream, StreamError};

mod lease;
mod shared;
mod store;
mod writer;

/// Where the journal is and how much it may hold.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The folder; made when it is missing. One process at a time may have it open.
    pub path: PathBuf,
    /// Number of partitions of a *new* journal, at least 1. An existing journal keeps its own.
    pub partitions: u32,
    /// Bytes of payload that may wait for a commit, over all partitions; beyond it appends answer
    /// [`StreamError::Full`]. 4 GiB: some ten million events, a night without a loader.
    pub max_bytes: u64,
    /// The largest record. 512 KiB: far above any event, far below what would stall the others.
    pub max_record_bytes: usize,
    /// Bytes of records that may wait in memory for the writer. 64 MiB.
    pub queue_bytes: u32,
    /// How long an append waits for room in that queue before it answers [`StreamError::Full`]. 5 s.
    pub queue_wait: Duration,
    /// How long an append waits for the disk before it answers [`StreamError::Unavailable`]; the records may
    /// still be stored after that. 30 s: only a disk that hangs takes so long.
    pub disk_wait: Duration,
    /// A group is closed when its records reach this many bytes, so that one fsync stays short. 8 MiB.
    pub group_bytes: usize,
}

impl JournalOptions {
    /// The documented defaults for a folder and a number of partitions.
    pub fn new(path: impl Into<PathBuf>, partitions: u32) -> Self {
        Self {
            path: path.into(),
            partitions,
            max_bytes: 4 << 30,
            max_record_bytes: 512 << 10,
            queue_bytes: 64 << 20,
            queue_wait: Duration::from_secs(5),
            disk_wait: Duration::from_secs(30),
            group_bytes: 8 << 20,
        }
    }
}

/// Why a journal could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process (or another part of this one) has the folder open.
    #[error("the journal in {} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be read or written, or what is in it is damaged.
    #[error("the journal in {} cannot be opened", path.display())]
    Storage {
        /// The folder.
        path: PathBuf,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder holds something else, or a journal of another version.
    #[error("{} does not hold a journal of this version", path.display())]
    NotAJournal {
        /// The folder.
        path: PathBuf,
    },
    /// A journal has at least one partition.
    #[error("a journal needs at least one partition")]
    NoPartitions,
}

/// The embedded stream. Dropping it waits for the writer; [`Stream::close`] does so without blocking.
pub struct Journal {
    shared: Arc<Shared>,
    queue: Arc<Semaphore>,
    options: JournalOptions,
    writer: Mutex<Option<JoinHandle<()>>>,
    session: Mutex<Option<Arc<Session>>>,
}

/// A poisoned lock only means that another thread panicked; the values behind ours are always whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// Opens the journal in a folder, or makes it. Blocks while what a crash left is recovered.
    pub fn open(options: JournalOptions) -> Result<Arc<Self>, OpenError> {
        if options.partitions == 0 {
            return Err(OpenError::NoPartitions);
        }
        let opened = Store::open(&options.path, options.partitions)?;
        let partitions = opened.1.partitions;
        if partitions != options.partitions {
            tracing::warn!(
                stored = partitions,
                asked = options.partitions,
                path = %options.path.display(),
                "The journal keeps the number of partitions it was made with: with another number \
                 a person's events would move to another partition and be loaded out of order."
            );
        }
        Self::start(options, opened)
    }

    /// Opens the journal in a folder, if there is one, with the partitions that it has. Blocks as
    /// [`Journal::open`] does.
    pub fn open_existing(options: JournalOptions) -> Result<Option<Arc<Self>>, OpenError> {
        if !options.path.is_dir() {
            return Ok(None);
        }
        match Store::open(&options.path, 0) {
            Ok(opened) => Self::start(options, opened).map(Some),
            Err(OpenError::NoPartitions) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn start(
        options: JournalOptions,
        (store, identity, parts): (Store, Identity, Vec<PartState>),
    ) -> Result<Arc<Self>, OpenError> {
        let (jobs, inbox) = std::sync::mpsc::channel();
        let partitions = identity.partitions;
        let shared = Arc::new(Shared::new(identity, store, &parts, jobs));
        let writer = Writer::new(Arc::clone(&shared), inbox, parts, &options);
        let handle = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Storage { path: options.path.clone(), source: Box::new(error) })?;
        tracing::info!(
            journal = shared.name(),
            partitions,
            path = %options.path.display(),
            "The journal was opened."
        );
        Ok(Arc::new(Self {
            shared,
            queue: Arc::new(Semaphore::new(options.queue_bytes as usize)),
            options,
            writer: Mutex::new(Some(handle)),
            session: Mutex::new(None),
        }))
    }

    /// How many records of a partition wait for a commit.
    pub fn backlog(&self, partition: Partition) -> u64 {
        self.shared.bounds(partition).map_or(0, |bounds| bounds.end.saturating_sub(bounds.committed))
    }

    /// Whether the disk works and the bound is not reached.
    pub fn has_room(&self) -> bool {
        let held = self.stored_bytes().unwrap_or(u64::MAX);
        !self.shared.is_closed() && self.shared.store().is_some() && held < self.options.max_bytes
    }

    fn bounds(&self, partition: Partition) -> Result<Bounds, StreamError> {
        if self.shared.is_closed() {
            return Err(StreamError::Closed);
        }
        self.shared.bounds(partition)
    }

    /// No new work; what was accepted is still written.
    fn shut(&self) -> Option<JoinHandle<()>> {
        self.queue.close();
        if let Some(session) = lock(&self.session).take() {
            session.end();
        }
        self.shared.shut();
        lock(&self.writer).take()
    }

    /// Refuses at the door what could never be stored, so that the writer only meets good records.
    fn admit(&self, record: &Record) -> Result<(), StreamError> {
        if record.payload.len() > self.options.max_record_bytes {
            return Err(StreamError::TooLarge);
        }
        self.shared.bounds(record.partition).map(drop)
    }
}

/// What a record costs in the queue beside its payload.
const RECORD_OVERHEAD: usize = 64;

#[async_trait]
impl Stream for Journal {
    fn id(&self) -> &str {
        self.shared.name()
    }

    fn partitions(&self) -> u32 {
        self.shared.partitions()
    }

    async fn append(&self, records: Vec<Record>) -> Vec<Result<Offset, StreamError>> {
        let verdicts: Vec<Result<(), StreamError>> =
            records.iter().map(|record| self.admit(record)).collect();
        let admitted: Vec<Record> = records
            .into_iter()
            .zip(&verdicts)
            .filter_map(|(record, verdict)| verdict.is_ok().then_some(record))
            .collect();
        let mut stored = self.append_admitted(admitted).await.into_iter();
        verdicts
            .into_iter()
            .map(|verdict| verdict.and_then(|()| stored.next().unwrap_or(Err(StreamError::Closed))))
            .collect()
    }

    async fn end(&self, partition: Partition) -> Result<Offset, StreamError> {
        self.bounds(partition).map(|bounds| bounds.end)
    }

    async fn committed(&self, partition: Partition) -> Result<Offset, StreamError> {
        self.bounds(partition).map(|bounds| bounds.committed)
    }

    fn leases(&self, stop: CancellationToken) -> Result<Leases, StreamError> {
        if self.shared.is_closed() {
            return Err(StreamError::Closed);
        }
        let mut current = lock(&self.session);
        if current.as_ref().is_some_and(|session| !session.is_over()) {
            return Err(StreamError::Unavailable("the partitions of this journal are leased already".into()));
        }
        let (session, leases) = Session::start(&self.shared, &stop)?;
        *current = Some(session);
        Ok(leases)
    }

    fn stored_bytes(&self) -> Option<u64> {
        let waiting = |partition| {
            let bounds = self.shared.bounds(partition).ok()?;
            Some(bounds.end_bytes.saturating_sub(bounds.committed_bytes))
        };
        (0..self.partitions()).map(waiting).sum()
    }

    fn stored_records(&self) -> Option<u64> {
        Some((0..self.partitions()).map(|partition| self.backlog(partition)).sum())
    }

    async fn close(&self) {
        let Some(writer) = self.shut() else { return };
        // The last group may be in its fsync.
        let joined = tokio::task::spawn_blocking(move || writer.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("The journal's writer ended with a panic.");
        }
    }
}

impl Journal {
    /// One answer for each record; fewer answers stand for a journal that closed meanwhile.
    async fn append_admitted(&self, records: Vec<Record>) -> Vec<Result<Offset, StreamError>> {
        if records.is_empty() {
            return Vec::new();
        }
        let count = records.len();
        let cost: usize = records.iter().map(|record| record.payload.len() + RECORD_OVERHEAD).sum();
        // A call larger than the whole queue takes all of it, and is then alone in it.
        let cost = u32::try_from(cost).unwrap_or(u32::MAX).min(self.options.queue_bytes);
        let room = Arc::clone(&self.queue).acquire_many_owned(cost);
        let permit = match tokio::time::timeout(self.options.queue_wait, room).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Vec::new(),
            Err(_) => return (0..count).map(|_| Err(StreamError::Full)).collect(),
        };
        let (reply, answer) = oneshot::channel();
        if self.shared.send(Job::Append { records, reply, permit }).is_err() {
            return Vec::new();
        }
        match tokio::time::timeout(self.options.disk_wait, answer).await {
            Ok(answer) => answer.unwrap_or_default(),
            Err(_) => {
                (0..count).map(|_| Err(StreamError::Unavailable("the disk does not answer".into()))).collect()
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(writer) = self.shut() {
            // So that whoever opens the folder next finds it free.
            let _ = writer.join();
        }
    }
}
