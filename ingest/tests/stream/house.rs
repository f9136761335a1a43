//! A stream of either kind, and a loader for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::stream::bridge::{Bridge, BridgeOptions};
use ingest::stream::journal::{Journal, JournalOptions};
use ingest::stream::kafka::{Kafka, KafkaOptions};
use ingest::stream::{Lease, Offset, Partition, ReadLimits, Record, Stored, Stream};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes that works; shorter than a person waits for what does not.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

pub(crate) struct House {
    pub(crate) stream: Arc<dyn Stream>,
    _folder: Option<TempDir>,
    _cluster: Option<Cluster>,
}

pub(crate) const LARGEST: usize = 4 << 10;

impl House {
    pub(crate) fn with_journal(partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = JournalOptions {
            max_record_bytes: LARGEST,
            ..JournalOptions::new(folder.path().join("journal"), partitions)
        };
        let stream = Journal::open(options).unwrap();
        Self { stream, _folder: Some(folder), _cluster: None }
    }

    pub(crate) async fn with_kafka(partitions: u32) -> Self {
        let cluster = cluster(partitions);
        let options = KafkaOptions { max_record_bytes: LARGEST, ..options(&cluster, partitions) };
        let stream = Kafka::open(options).await.unwrap();
        Self { stream, _folder: None, _cluster: Some(cluster) }
    }

    pub(crate) async fn with_bridge(partitions: u32) -> Self {
        let (folder, cluster) = (tempfile::tempdir().unwrap(), cluster(partitions));
        let kafka = KafkaOptions { max_record_bytes: LARGEST, ..options(&cluster, partitions) };
        let options = BridgeOptions::new(kafka, folder.path().join("bridge"));
        let stream = Bridge::open(options, &CancellationToken::new()).await.unwrap();
        Self { stream, _folder: Some(folder), _cluster: Some(cluster) }
    }
}

pub(crate) fn cluster(partitions: u32) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", i32::try_from(partitions).unwrap(), 1).unwrap();
    cluster
}

pub(crate) fn options(cluster: &Cluster, partitions: u32) -> KafkaOptions {
    KafkaOptions::new(cluster.bootstrap_servers(), partitions)
}

pub(crate) fn record(partition: Partition, payload: impl Into<String>) -> Record {
    Record { partition, payload: Bytes::from(payload.into()) }
}

/// Appends one by one into a partition, and expects each to be stored.
pub(crate) async fn append(stream: &dyn Stream, partition: Partition, payloads: &[&str]) -> Vec<Offset> {
    let records = payloads.iter().map(|payload| record(partition, *payload)).collect();
    stream.append(records).await.into_iter().map(Result::unwrap).collect()
}

pub(crate) fn texts(records: &[Stored]) -> Vec<&str> {
    records.iter().map(|record| std::str::from_utf8(&record.payload).unwrap()).collect()
}

/// At most this many records, without lingering.
pub(crate) fn up_to(records: usize) -> ReadLimits {
    ReadLimits { records, bytes: usize::MAX, linger: Duration::ZERO, before: None }
}

/// Reads exactly this many records, however they are cut into reads.
pub(crate) async fn read(lease: &mut Box<dyn Lease>, count: usize) -> Vec<Stored> {
    let mut records = Vec::new();
    while records.len() < count {
        let more = lease.read(up_to(count - records.len()));
        let more = tokio::time::timeout(PATIENCE, more).await.expect("the records are there").unwrap();
        assert!(!more.is_empty(), "a read without `before` returns something");
        records.extend(more);
    }
    records
}

/// One set of leases. What was not asked for yet is kept, so that it is not offered again.
pub(crate) struct Loader {
    pub(crate) leases: mpsc::Receiver<Box<dyn Lease>>,
    pub(crate) stop: CancellationToken,
    pub(crate) kept: HashMap<Partition, Box<dyn Lease>>,
}

impl Loader {
    pub(crate) fn join(stream: &dyn Stream) -> Self {
        let stop = CancellationToken::new();
        let leases = stream.leases(stop.clone()).unwrap();
        Self { leases, stop, kept: HashMap::new() }
    }

    pub(crate) async fn receive(&mut self) -> Box<dyn Lease> {
        tokio::time::timeout(PATIENCE, self.leases.recv()).await.expect("a lease arrives").expect("not over")
    }

    pub(crate) async fn lease(&mut self, partition: Partition) -> Box<dyn Lease> {
        loop {
            if let Some(lease) = self.kept.remove(&partition) {
                return lease;
            }
            let lease = self.receive().await;
            self.kept.insert(lease.partition(), lease);
        }
    }

    /// Stops in order: lets go of everything and waits until the receiver ends.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.kept.clear();
        let over = async { while self.leases.recv().await.is_some() {} };
        tokio::time::timeout(PATIENCE, over).await.expect("the receiver ends after a stop");
    }
}
