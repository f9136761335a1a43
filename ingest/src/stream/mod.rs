//! The durable log between the two halves of ingest.
//!
//! Collectors append encoded events to partitions; loaders read a partition from an offset, make a
//! plan durable before they insert, and commit after it. Two implementations, one promise: an
//! append that was answered is on disk (or on the brokers' disks), and is read again in the same
//! order until its offset is committed. Nothing else in `ingest` knows which implementation runs.
//!
//! * [`journal`]: embedded, on one machine; the default.
//! * [`kafka`]: any number of collectors and loaders, consumer groups.
//! * [`bridge`]: Kafka for those who append, with a journal that takes over while the brokers are away.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod backoff;
pub mod bridge;
pub mod journal;
pub mod kafka;

/// Position of a record in its partition. The first record has offset 0; offsets only rise.
pub type Offset = u64;

/// Number of a partition, from 0.
pub type Partition = u32;

/// A record to append.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it belongs. One person's events share a partition, so that they stay in order.
    pub partition: Partition,
    /// The encoded event (see `schema::event`).
    pub payload: Bytes,
}

/// A record as read back.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its position.
    pub offset: Offset,
    /// The bytes that were appended.
    pub payload: Bytes,
}

/// Where a lease begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The first offset that is not committed.
    pub next: Offset,
    /// The end (exclusive) of the batch that was planned from `next` and perhaps inserted, but not
    /// committed. The loader must make exactly the batch `next..end` again before anything else.
    pub plan: Option<Offset>,
}

/// How much one read may return, and how long it may wait.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// At most this many records.
    pub records: usize,
    /// Stops after the record that reaches this many payload bytes.
    pub bytes: usize,
    /// How long to gather records after the first one; the call returns at once when a limit above is reached.
    pub linger: Duration,
    /// Never returns a record at or beyond this offset (used to make a planned batch again).
    pub before: Option<Offset>,
}

/// Why the stream could not do what it was asked.
#[derive(Debug, Error)]
pub enum StreamError {
    /// The stream cannot take or give records now; the same call may work later.
    #[error("the stream is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bound was reached (queue, disk); nothing was stored.
    #[error("the stream is full")]
    Full,
    /// The record is larger than the stream takes; it will never be stored.
    #[error("the record is too large for the stream")]
    TooLarge,
    /// The partition belongs to another loader now; what this lease planned must not be inserted.
    #[error("the partition was taken over by another loader")]
    Lost,
    /// The stream is shutting down.
    #[error("the stream is closed")]
    Closed,
}

/// Where leases arrive.
pub type Leases = mpsc::Receiver<Box<dyn Lease>>;

/// The log as collectors and the import see it, and the door for loaders.
#[async_trait]
pub trait Stream: Send + Sync + 'static {
    /// A name that is part of every stored row and of every deduplication token. It changes when
    /// offsets begin anew (a new journal), so that old tokens never meet new records.
    fn id(&self) -> &str;

    /// How many partitions there are. Never changes during the life of a stream.
    fn partitions(&self) -> u32;

    /// Appends records and returns when their fate is known: one result per record, in order.
    /// `Ok(offset)` means *durable*; the offset is where the record lies, on the bridge perhaps that of its
    /// journal. Records of one call and one partition keep their order.
    /// Concurrent calls share one write (group commit).
    async fn append(&self, records: Vec<Record>) -> Vec<Result<Offset, StreamError>>;

    /// The offset just after the last durable record of a partition. [`StreamError::Unavailable`] also while
    /// durable records wait elsewhere for their offsets, as on the bridge: they are behind any end that could be told.
    async fn end(&self, partition: Partition) -> Result<Offset, StreamError>;

    /// The first offset of a partition that the loaders have not committed yet.
    async fn committed(&self, partition: Partition) -> Result<Offset, StreamError>;

    /// Joins the loaders. Leases on partitions arrive until `stop` is cancelled: all partitions at once
    /// on the journal; whatever the consumer group assigns, and again after each rebalance, on Kafka.
    /// A lease that is dropped while the partition is still ours is offered again, from the committed
    /// offset, with its plan; whoever drops one after a failure waits before it takes the next.
    /// When `stop` is cancelled the leases are revoked too, but plans and commits are still taken for a
    /// bounded time, so that a holder can finish the batch in its hands; then the receiver ends. Dropping
    /// the receiver does the same as `stop`.
    /// The journal has one set of leases at a time: a second call is refused until the first is over
    /// (stopped or its receiver dropped, and every lease dropped). Call it inside a tokio runtime.
    fn leases(&self, stop: CancellationToken) -> Result<Leases, StreamError>;

    /// Bytes of records that wait for a commit, where the stream can tell without asking anybody.
    fn stored_bytes(&self) -> Option<u64> {
        None
    }

    /// How many records wait on this process's disk, where the stream can tell without asking anybody.
    fn stored_records(&self) -> Option<u64> {
        None
    }

    /// Whether an append would be taken now.
    async fn is_ready(&self) -> bool {
        self.end(0).await.is_ok()
    }

    /// Flushes and releases what is held; leases are revoked. Calls after it answer [`StreamError::Closed`].
    async fn close(&self);
}

/// The right to load one partition, until it is dropped or revoked.
#[async_trait]
pub trait Lease: Send {
    /// Which partition it is.
    fn partition(&self) -> Partition;

    /// Where the lease began, with the plan of a predecessor that must be made again first.
    fn position(&self) -> Position;

    /// Cancelled when the partition is taken away; the holder stops and drops the lease.
    fn revoked(&self) -> CancellationToken;

    /// Waits until there is at least one record at the read position, gathers up to the limits, and moves the
    /// read position behind what it returns. Cancel-safe: a dropped call loses nothing.
    /// Returns nothing only when no record is left before `limits.before`. A revoked lease answers
    /// [`StreamError::Lost`], or [`StreamError::Closed`] when it was revoked by `stop` or `close`.
    async fn read(&mut self, limits: ReadLimits) -> Result<Vec<Stored>, StreamError>;

    /// Makes durable that the batch from the committed offset up to `end` (exclusive) is about to be inserted.
    async fn plan(&mut self, end: Offset) -> Result<(), StreamError>;

    /// Makes durable that everything before `end` is in the store, and clears the plan. A read position
    /// before `end` moves there.
    async fn commit(&mut self, end: Offset) -> Result<(), StreamError>;
}
