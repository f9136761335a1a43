//! A record as it lies in the bridge's journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost::Message as _;

use crate::stream::kafka::Receipt;
use crate::stream::{Partition, Record};

/// What an envelope adds to a payload at most.
pub(super) const OVERHEAD: usize = 256;

/// The envelope on disk. Fields are only ever added.
#[derive(Clone, PartialEq, prost::Message)]
struct Written {
    #[prost(bytes = "bytes", tag = "1")]
    payload: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    receipt: Bytes,
    /// Whether it had been handed to a producer.
    #[prost(bool, tag = "3")]
    tried: bool,
    #[prost(int64, tag = "4")]
    journaled_at_ms: i64,
}

/// A record, its receipt, and what was known of it when it was journaled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) payload: Bytes,
    pub(super) receipt: Receipt,
    /// Whether a producer had it, so that it may be in Kafka already.
    pub(super) tried: bool,
    /// By this machine's clock, as the times of records in Kafka are; no test sets it.
    pub(super) journaled_at_ms: i64,
}

impl Envelope {
    pub(super) fn new(payload: Bytes, receipt: Receipt, tried: bool) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let journaled_at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        Self { payload, receipt, tried, journaled_at_ms }
    }

    pub(super) fn to_record(&self, partition: Partition) -> Record {
        let written = Written {
            payload: self.payload.clone(),
            receipt: Bytes::copy_from_slice(self.receipt.as_bytes()),
            tried: self.tried,
            journaled_at_ms: self.journaled_at_ms,
        };
        Record { partition, payload: Bytes::from(written.encode_to_vec()) }
    }

    /// Nothing when these bytes are no envelope.
    pub(super) fn parse(bytes: Bytes) -> Option<Self> {
        let Written { payload, receipt, tried, journaled_at_ms } = Written::decode(bytes).ok()?;
        Some(Self { payload, receipt: Receipt::parse(&receipt)?, tried, journaled_at_ms })
    }
}

/// Gives out receipts: every life of a bridge has a random number of its own.
pub(super) struct Session {
    id: [u8; 16],
    count: AtomicU64,
}

impl Session {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self { id, count: AtomicU64::new(0) })
    }

    pub(super) fn receipt(&self) -> Receipt {
        Receipt::new(self.id, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_back_as_it_was_written() {
        let session = Session::new().unwrap();
        let payload = Bytes::from_static(b"an event");
        let envelope = Envelope::new(payload.clone(), session.receipt(), true);
        let record = envelope.to_record(3);
        assert!(record.payload.len() <= payload.len() + OVERHEAD);
        assert_eq!(record.partition, 3);
        assert_eq!(Envelope::parse(record.payload), Some(envelope));
    }

    #[test]
    fn receipts_differ_and_other_bytes_are_no_envelope() {
        let (one, other) = (Session::new().unwrap(), Session::new().unwrap());
        assert_ne!(one.receipt(), one.receipt());
        assert_ne!(one.receipt(), other.receipt());
        assert_eq!(Envelope::parse(Bytes::from_static(b"\xff\xff")), None);
        assert_eq!(Envelope::parse(Bytes::new()), None);
    }
}
