//! How the journal lies on disk: two keyspaces, written in one batch.
//!
//! `records` maps partition and offset (big-endian, so that a partition is a range in order) to the
//! payload, preceded by the number of payload bytes ever appended to the partition before it. With that
//! number the size of any range is a subtraction, and nothing is ever counted by scanning.
//! `state` holds the journal's identity and one small row per partition. The row is written in the
//! same batch as the records, so an offset never goes backward, not even when all records are trimmed.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use thiserror::Error;

use super::OpenError;
use crate::stream::{Offset, Partition, Stored, StreamError};

const IDENTITY_KEY: &[u8] = b"journal";
const VERSION: u8 = 1;

/// Replayed at the next opening, so it bounds how long a start takes after a crash.
const MAX_LOG_BYTES: u64 = 128 << 20;
/// Records are read once, in order, mostly from memory: a large cache would hold what nobody asks again.
const CACHE_BYTES: u64 = 16 << 20;
/// What is held in memory before it becomes a table.
const MEMTABLE_BYTES: u64 = 32 << 20;
/// Flushing and compacting; one of them is enough for a queue, the second keeps flushes from waiting.
const WORKERS: usize = 2;

/// What was decided when the journal was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) epoch: u64,
    pub(super) partitions: u32,
}

/// What readers need to know of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Just after the last durable record.
    pub(super) end: Offset,
    /// The first record that is not committed.
    pub(super) committed: Offset,
    /// End of the planned batch.
    pub(super) plan: Option<Offset>,
    /// Payload bytes ever appended before `end`.
    pub(super) end_bytes: u64,
    /// Payload bytes ever appended before `committed`.
    pub(super) committed_bytes: u64,
}

/// A partition's row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PartState {
    pub(super) bounds: Bounds,
    /// Records before this offset are removed.
    pub(super) trimmed: Offset,
}

impl PartState {
    const NO_PLAN: u64 = u64::MAX;

    fn encode(&self) -> Vec<u8> {
        let Bounds { end, committed, plan, end_bytes, committed_bytes } = self.bounds;
        [end, committed, plan.unwrap_or(Self::NO_PLAN), end_bytes, committed_bytes, self.trimmed]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, []) = bytes.as_chunks::<8>() else { return None };
        let &[end, committed, plan, end_bytes, committed_bytes, trimmed] = numbers else { return None };
        let plan = u64::from_be_bytes(plan);
        Some(Self {
            bounds: Bounds {
                end: u64::from_be_bytes(end),
                committed: u64::from_be_bytes(committed),
                plan: (plan != Self::NO_PLAN).then_some(plan),
                end_bytes: u64::from_be_bytes(end_bytes),
                committed_bytes: u64::from_be_bytes(committed_bytes),
            },
            trimmed: u64::from_be_bytes(trimmed),
        })
    }
}

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, Error)]
pub(super) enum StoreError {
    #[error("the journal's disk failed")]
    Disk(#[source] Arc<fjall::Error>),
    #[error("the journal is not open, because its disk failed")]
    Away,
    #[error("record {offset} of partition {partition} is missing or damaged")]
    Hole { partition: Partition, offset: Offset },
    #[error("partition {partition} cannot be marked at {asked}: it has records {committed}..{end}")]
    OutOfRange { partition: Partition, asked: Offset, committed: Offset, end: Offset },
    #[error("there is no partition {0}")]
    NoPartition(Partition),
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        Self::Disk(Arc::new(error))
    }
}

impl From<StoreError> for StreamError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl StoreError {
    /// Whether opening the store again can help. After a full disk it does: the write was refused
    /// before it reached the disk. So it does when a background task failed: what was acknowledged is in the
    /// log. After a failed fsync nobody knows what the disk holds, and only a restart, which a
    /// person sees, is honest.
    pub(super) fn is_curable(&self) -> bool {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Self::Disk(error) => match &**error {
                fjall::Error::Io(io) => matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge),
                fjall::Error::Poisoned => true,
                _ => false,
            },
            _ => true,
        }
    }
}

/// The open database.
#[derive(Clone)]
pub(super) struct Store {
    db: Database,
    records: Keyspace,
    state: Keyspace,
}

/// What one read found.
pub(super) struct Found {
    pub(super) records: Vec<Stored>,
    /// Payload bytes ever appended up to and with the last record found.
    pub(super) bytes_after: u64,
}

impl Store {
    /// Opens or makes the folder; with no partitions it makes no new journal in it. Returns the identity, and one state per partition.
    pub(super) fn open(path: &Path, partitions: u32) -> Result<(Self, Identity, Vec<PartState>), OpenError> {
        let failed = |error: fjall::Error| match error {
            fjall::Error::Locked => OpenError::InUse { path: path.into() },
            fjall::Error::InvalidVersion(_) => OpenError::NotAJournal { path: path.into() },
            error => OpenError::Storage { path: path.into(), source: Box::new(error) },
        };
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(MAX_LOG_BYTES)
            .worker_threads(WORKERS)
            .open()
            .map_err(failed)?;
        let keyspace =
            |name| db.keyspace(name, || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES));
        let records = keyspace("records").map_err(failed)?;
        let state = keyspace("state").map_err(failed)?;
        let store = Self { db, records, state };

        let identity = if let Some(bytes) = store.state.get(IDENTITY_KEY).map_err(failed)? {
            decode_identity(&bytes).ok_or_else(|| OpenError::NotAJournal { path: path.into() })?
        } else if partitions == 0 {
            return Err(OpenError::NoPartitions);
        } else {
            let epoch = getrandom::u64()
                .map_err(|error| OpenError::Storage { path: path.into(), source: Box::new(error) })?;
            let identity = Identity { epoch, partitions };
            let mut batch = store.batch();
            batch.insert(&store.state, IDENTITY_KEY, encode_identity(identity));
            batch.commit().map_err(failed)?;
            identity
        };
        let parts = (0..identity.partitions)
            .map(|partition| match store.state.get(state_key(partition)).map_err(failed)? {
                Some(bytes) => {
                    PartState::decode(&bytes).ok_or_else(|| OpenError::NotAJournal { path: path.into() })
                }
                None => Ok(PartState::default()),
            })
            .collect::<Result<_, _>>()?;
        Ok((store, identity, parts))
    }

    /// A batch that is on disk when its commit returns.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncAll))
    }

    /// A batch that need not survive a crash: it is simply done again.
    pub(super) fn careless_batch(&self) -> OwnedWriteBatch {
        self.db.batch()
    }

    pub(super) fn put(
        &self,
        batch: &mut OwnedWriteBatch,
        partition: Partition,
        offset: Offset,
        bytes_before: u64,
        payload: &[u8],
    ) {
        let mut value = Vec::with_capacity(8 + payload.len());
        value.extend_from_slice(&bytes_before.to_be_bytes());
        value.extend_from_slice(payload);
        batch.insert(&self.records, record_key(partition, offset), value);
    }

    pub(super) fn remove(&self, batch: &mut OwnedWriteBatch, partition: Partition, offset: Offset) {
        batch.remove(&self.records, record_key(partition, offset));
    }

    pub(super) fn put_state(&self, batch: &mut OwnedWriteBatch, partition: Partition, state: &PartState) {
        batch.insert(&self.state, state_key(partition), state.encode());
    }

    /// Payload bytes ever appended before a record that exists.
    pub(super) fn bytes_before(&self, partition: Partition, offset: Offset) -> Result<u64, StoreError> {
        let hole = StoreError::Hole { partition, offset };
        let value = self.records.get(record_key(partition, offset))?.ok_or_else(|| hole.clone())?;
        split(&value).map(|(bytes, _)| bytes).ok_or(hole)
    }

    /// Reads `from..to`, which must exist, until a limit is reached; at least one record.
    pub(super) fn read(
        &self,
        partition: Partition,
        from: Offset,
        to: Offset,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Found, StoreError> {
        let mut records = Vec::with_capacity(max_records.min((to - from) as usize).min(1 << 16));
        let mut bytes = 0;
        let mut bytes_after = 0;
        let mut range = self.records.range(record_key(partition, from)..record_key(partition, to));
        for offset in from..to {
            if records.len() >= max_records.max(1) || (bytes >= max_bytes && !records.is_empty()) {
                break;
            }
            let hole = || StoreError::Hole { partition, offset };
            let (key, value) = range.next().ok_or_else(hole)?.into_inner()?;
            if *key != record_key(partition, offset) {
                return Err(hole());
            }
            let (before, payload) = split(&value).ok_or_else(hole)?;
            bytes += payload.len();
            bytes_after = before + payload.len() as u64;
            // A copy: a slice of the store's block would keep the whole block in memory.
            records.push(Stored { offset, payload: Bytes::copy_from_slice(payload) });
        }
        Ok(Found { records, bytes_after })
    }
}

fn record_key(partition: Partition, offset: Offset) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&partition.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

fn state_key(partition: Partition) -> [u8; 5] {
    let mut key = [b'p'; 5];
    key[1..].copy_from_slice(&partition.to_be_bytes());
    key
}

fn split(value: &[u8]) -> Option<(u64, &[u8])> {
    let (before, payload) = value.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*before), payload))
}

fn encode_identity(identity: Identity) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&identity.epoch.to_be_bytes());
    bytes.extend_from_slice(&identity.partitions.to_be_bytes());
    bytes
}

fn decode_identity(bytes: &[u8]) -> Option<Identity> {
    let (&[version], rest) = bytes.split_first_chunk::<1>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let partitions = u32::from_be_bytes(rest.try_into().ok()?);
    (version == VERSION && partitions > 0)
        .then_some(Identity { epoch: u64::from_be_bytes(*epoch), partitions })
}
