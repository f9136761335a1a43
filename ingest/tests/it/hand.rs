//! A loader by hand, for stopping where a real one would have to be hit by chance.

use std::collections::BTreeMap;

use ingest::stream::{Lease, Leases, ReadLimits, Stored, Stream};
use service::Stop;
use tokio::time::timeout;

use crate::house::PATIENCE;

/// Holds all partitions of a stream.
pub(crate) struct Hand {
    stop: Stop,
    offers: Leases,
    leases: BTreeMap<u32, Box<dyn Lease>>,
}

impl Hand {
    pub(crate) async fn join(stream: &dyn Stream) -> Self {
        let stop = Stop::new();
        let mut offers = stream.leases(stop.clone()).unwrap();
        let mut leases = BTreeMap::new();
        while leases.len() < stream.partitions() as usize {
            let lease = timeout(PATIENCE, offers.recv()).await.expect("a lease is offered").unwrap();
            leases.insert(lease.partition(), lease);
        }
        Self { stop, offers, leases }
    }

    /// Reads all that a partition holds.
    pub(crate) async fn read(&mut self, stream: &dyn Stream, partition: u32) -> Vec<Stored> {
        let end = stream.end(partition).await.unwrap();
        let limits = ReadLimits {
            records: usize::MAX,
            bytes: usize::MAX,
            linger: std::time::Duration::ZERO,
            before: Some(end),
        };
        let lease = self.leases.get_mut(&partition).unwrap();
        let mut records = Vec::new();
        loop {
            let more = timeout(PATIENCE, lease.read(limits)).await.expect("the records are there").unwrap();
            if more.is_empty() {
                return records;
            }
            records.extend(more);
        }
    }

    /// Makes a plan durable.
    pub(crate) async fn plan(&mut self, partition: u32, end: u64) {
        self.leases.get_mut(&partition).unwrap().plan(end).await.unwrap();
    }

    /// Lets go of everything, like a loader that ends.
    pub(crate) async fn leave(mut self) {
        self.stop.cancel();
        self.leases.clear();
        let over = async { while self.offers.recv().await.is_some() {} };
        timeout(PATIENCE, over).await.expect("the stream takes its leases back");
    }
}
