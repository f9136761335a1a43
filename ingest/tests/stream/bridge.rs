//! What only the bridge does: brokers go away, processes die, and every record that was accepted is in Kafka once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::stream::bridge::{Bridge, BridgeOptions, OpenError};
use ingest::stream::journal::{Journal, JournalOptions, OpenError as JournalError};
use ingest::stream::{Partition, Stream, StreamError};
use prost::Message as _;
use rdkafka::Message as _;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::house::{Cluster, Loader, PATIENCE, append, cluster, options, read, record, texts};

/// Brokers, and a folder that outlives processes.
struct Place {
    cluster: Cluster,
    folder: TempDir,
    partitions: u32,
}

impl Place {
    fn new(partitions: u32) -> Self {
        Self { cluster: cluster(partitions), folder: tempfile::tempdir().unwrap(), partitions }
    }

    /// A bridge that loses patience soon, and does not wait for sockets that no test has.
    fn options(&self) -> BridgeOptions {
        BridgeOptions {
            bridge_after: Duration::from_millis(100),
            last_wait: Duration::from_millis(100),
            settle: Duration::ZERO,
            close_wait: Duration::from_millis(500),
            ..BridgeOptions::new(options(&self.cluster, self.partitions), self.folder.path().join("bridge"))
        }
    }

    async fn open(&self) -> Arc<Bridge> {
        open(self.options()).await
    }

    fn away(&self) {
        self.cluster.broker_down(-1).unwrap();
    }

    fn back(&self) {
        self.cluster.broker_up(-1).unwrap();
    }

    /// Everything that lies in a partition of Kafka.
    async fn in_kafka(&self, partition: i32) -> Vec<String> {
        let brokers = self.cluster.bootstrap_servers();
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", brokers)
                .set("group.id", "a-test-that-looks")
                .create()
                .unwrap();
            let (low, high) = consumer.fetch_watermarks("events", partition, PATIENCE).unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset("events", partition, KafkaOffset::Offset(low)).unwrap();
            consumer.assign(&list).unwrap();
            drop(list);
            let mut found = Vec::new();
            while found.len() < usize::try_from(high - low).unwrap() {
                let message = consumer.poll(PATIENCE).expect("there are more").unwrap();
                found.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
            }
            found
        })
        .await
        .unwrap()
    }

    /// What is in Kafka when the bridge has nothing more to bring.
    async fn after_the_drain(&self, bridge: &Bridge, partition: i32) -> Vec<String> {
        drained(bridge).await;
        self.in_kafka(partition).await
    }
}

/// Waits for the folder, when a bridge that was dropped still lets go of it.
async fn open(options: BridgeOptions) -> Arc<Bridge> {
    let opening = async {
        loop {
            match Bridge::open(options.clone(), &CancellationToken::new()).await {
                Err(OpenError::Journal(JournalError::InUse { .. })) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                opened => return opened.unwrap(),
            }
        }
    };
    timeout(PATIENCE, opening).await.expect("the bridge opens")
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it is never so: {what}"));
}

async fn drained(bridge: &Bridge) {
    until("the bridge is empty", || bridge.stored_records() == Some(0)).await;
}

/// The envelope as it lies on disk, which the next version must still read.
#[derive(Clone, PartialEq, prost::Message)]
struct OnDisk {
    #[prost(bytes = "bytes", tag = "1")]
    payload: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    receipt: Bytes,
    #[prost(bool, tag = "3")]
    tried: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_while_the_brokers_are_away_comes_to_kafka_in_order() {
    let place = Place::new(1);
    let bridge = place.open().await;
    append(&*bridge, 0, &["before"]).await;
    assert_eq!(bridge.stored_records(), Some(0), "a record that Kafka takes is not journaled");

    place.away();
    let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    for name in &names {
        append(&*bridge, 0, &[name]).await;
    }
    assert_eq!(bridge.stored_records(), Some(30));
    assert!(bridge.stored_bytes().unwrap() > 30);
    place.back();
    drained(&bridge).await;
    append(&*bridge, 0, &["after"]).await;

    let expected: Vec<_> =
        std::iter::once("before".to_owned()).chain(names).chain(["after".into()]).collect();
    assert_eq!(place.in_kafka(0).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sender_keeps_its_order_while_brokers_come_and_go() {
    const SENDERS: usize = 8;
    let place = Place::new(2);
    let bridge = place.open().await;
    let stop = CancellationToken::new();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (bridge, stop) = (Arc::clone(&bridge), stop.clone());
            tokio::spawn(async move {
                let mut sent = 0;
                while !stop.is_cancelled() {
                    append(&*bridge, (sender % 2) as Partition, &[&format!("{sender}:{sent}")]).await;
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        place.away();
        until("it bridges", || bridge.stored_records() > Some(20)).await;
        place.back();
        // The senders go on, so that the hand-over back happens in their midst.
        drained(&bridge).await;
    }
    stop.cancel();
    let sent = futures::future::join_all(senders).await;
    drained(&bridge).await;
    let found = [place.in_kafka(0).await, place.in_kafka(1).await];
    for (sender, sent) in sent.into_iter().enumerate() {
        let mine = found[sender % 2].iter().filter(|text| text.starts_with(&format!("{sender}:")));
        let expected: Vec<_> = (0..sent.unwrap()).map(|number| format!("{sender}:{number}")).collect();
        assert!(mine.eq(&expected), "sender {sender}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_delivered_late_is_not_sent_again() {
    let place = Place::new(1);
    let bridge = place.open().await;
    append(&*bridge, 0, &["before"]).await;
    place.cluster.broker_round_trip_time(-1, Duration::from_secs(1)).unwrap();
    append(&*bridge, 0, &["late"]).await;
    assert_eq!(bridge.stored_records(), Some(1), "the answer came from the journal");
    append(&*bridge, 0, &["behind"]).await;
    place.cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    assert_eq!(place.after_the_drain(&bridge, 0).await, ["before", "late", "behind"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_had_landed_when_the_process_died_is_not_sent_again() {
    let place = Place::new(1);
    let bridge = place.open().await;
    append(&*bridge, 0, &["before"]).await;
    // The broker stores it, and says so when nobody is there any more.
    place.cluster.broker_round_trip_time(-1, PATIENCE).unwrap();
    append(&*bridge, 0, &["landed"]).await;
    append(&*bridge, 0, &["behind"]).await;
    drop(bridge);
    place.cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    assert_eq!(place.in_kafka(0).await, ["before", "landed"]);

    let bridge = place.open().await;
    assert_eq!(place.after_the_drain(&bridge, 0).await, ["before", "landed", "behind"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_had_not_landed_when_the_process_died_is_sent() {
    let place = Place::new(1);
    let bridge = place.open().await;
    append(&*bridge, 0, &["before"]).await;
    place.away();
    append(&*bridge, 0, &["only in memory and in the journal"]).await;
    append(&*bridge, 0, &["behind"]).await;
    drop(bridge);
    place.back();
    assert_eq!(place.in_kafka(0).await, ["before"]);

    let bridge = place.open().await;
    let expected = ["before", "only in memory and in the journal", "behind"];
    assert_eq!(place.after_the_drain(&bridge, 0).await, expected);
}

/// The process dies when some of a planned batch has landed.
async fn assert_a_drain_is_made_again(landed: usize) {
    let place = Place::new(1);
    let bridge = place.open().await;
    place.away();
    append(&*bridge, 0, &["a", "b"]).await;
    append(&*bridge, 0, &["c"]).await;
    append(&*bridge, 0, &["d"]).await;
    drop(bridge);

    // What the drain of that process did up to then.
    let options = JournalOptions::new(place.folder.path().join("bridge"), 1);
    let journal = loop {
        match Journal::open(options.clone()) {
            Err(JournalError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => break opened.unwrap(),
        }
    };
    let mut loader = Loader::join(&*journal);
    let mut lease = loader.lease(0).await;
    let envelopes: Vec<OnDisk> =
        read(&mut lease, 4).await.into_iter().map(|stored| OnDisk::decode(stored.payload).unwrap()).collect();
    assert_eq!(
        envelopes.iter().map(|envelope| envelope.tried).collect::<Vec<_>>(),
        [true, true, false, false]
    );
    lease.plan(4).await.unwrap();
    drop(lease);
    loader.stop().await;
    journal.close().await;
    drop(journal);
    place.back();
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", place.cluster.bootstrap_servers()).create().unwrap();
    for envelope in &envelopes[..landed] {
        let header = Header { key: "footfall-receipt", value: Some(&envelope.receipt[..]) };
        let message = FutureRecord::<(), [u8]>::to("events")
            .partition(0)
            .payload(&envelope.payload)
            .headers(OwnedHeaders::new().insert(header));
        producer.send(message, PATIENCE).await.unwrap();
    }

    let bridge = place.open().await;
    assert_eq!(place.after_the_drain(&bridge, 0).await, ["a", "b", "c", "d"], "{landed} had landed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_died_half_way_is_made_again_without_what_had_landed() {
    assert_a_drain_is_made_again(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_died_before_or_after_all_had_landed_is_made_again() {
    assert_a_drain_is_made_again(0).await;
    assert_a_drain_is_made_again(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_journal_refuses_and_loses_nothing_of_what_it_took() {
    let place = Place::new(1);
    let bridge = open(BridgeOptions { max_bytes: 4 << 10, ..place.options() }).await;
    append(&*bridge, 0, &["before"]).await;
    place.away();
    let mut accepted = vec!["before".to_owned()];
    let refused = loop {
        let text = format!("{}:{}", accepted.len(), "x".repeat(100));
        match bridge.append(vec![record(0, text.clone())]).await.remove(0) {
            Ok(_) => accepted.push(text),
            Err(error) => break error,
        }
        assert!(accepted.len() < 100, "it takes more than it may");
    };
    assert!(matches!(refused, StreamError::Full), "{refused:?}");
    assert!(accepted.len() > 5);
    place.back();
    drained(&bridge).await;
    append(&*bridge, 0, &["after"]).await;
    accepted.push("after".into());
    assert_eq!(place.in_kafka(0).await, accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_ready_as_long_as_something_takes_records() {
    let place = Place::new(1);
    let bridge = open(BridgeOptions { max_bytes: 1 << 10, ..place.options() }).await;
    assert!(bridge.is_ready().await);
    assert_eq!(bridge.end(0).await.unwrap(), 0);
    place.away();
    append(&*bridge, 0, &["a"]).await;
    assert!(bridge.is_ready().await, "the journal takes them");
    let end = bridge.end(0).await;
    assert!(matches!(end, Err(StreamError::Unavailable(_))), "what waits is behind every end: {end:?}");
    append(&*bridge, 0, &["x".repeat(700).as_str()]).await;
    let over = bridge.append((0..3).map(|_| record(0, "y".repeat(80))).collect()).await;
    assert!(matches!(over.last(), Some(Err(StreamError::Full))), "{over:?}");
    place.back();
    drained(&bridge).await;
    assert!(bridge.end(0).await.unwrap() >= 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_without_brokers_when_it_knows_the_partitions() {
    let place = Place::new(3);
    place.open().await.close().await;
    place.away();
    // Another number in the settings changes nothing.
    let mut other = place.options();
    other.kafka.partitions = 8;
    let bridge = open(other).await;
    assert_eq!((bridge.partitions(), bridge.id()), (3, "kafka-events"));
    append(&*bridge, 2, &["early"]).await;
    assert!(matches!(bridge.committed(2).await, Err(StreamError::Unavailable(_))));
    let mut loader = Loader::join(&*bridge);

    place.back();
    let mut lease = loader.lease(2).await;
    assert_eq!(texts(&read(&mut lease, 1).await), ["early"]);
    lease.commit(1).await.unwrap();
    assert_eq!(bridge.committed(2).await.unwrap(), 1);
    drop(lease);
    loader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_very_first_start_waits_for_the_brokers_or_the_stop() {
    let place = Place::new(3);
    place.away();
    let stop = CancellationToken::new();
    let mut options = place.options();
    options.kafka.request_timeout = Duration::from_millis(200);
    let opening = tokio::spawn({
        let (options, stop) = (options.clone(), stop.clone());
        async move { Bridge::open(options, &stop).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!opening.is_finished(), "how many partitions there are is not known");
    stop.cancel();
    let stopped = timeout(PATIENCE, opening).await.expect("a stop ends it").unwrap();
    assert!(matches!(stopped, Err(OpenError::Stopped)));

    let opening = tokio::spawn(async move { Bridge::open(options, &CancellationToken::new()).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    place.back();
    let bridge = timeout(PATIENCE, opening).await.expect("it opens at last").unwrap().unwrap();
    assert_eq!(append(&*bridge, 2, &["a"]).await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_partitions_keeps_everything_in_the_journal() {
    let place = Place::new(3);
    place.open().await.close().await;
    let other = Place::new(5);
    let mut elsewhere = place.options();
    elsewhere.kafka.brokers = other.cluster.bootstrap_servers();
    let bridge = open(elsewhere).await;
    append(&*bridge, 2, &["kept"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(bridge.stored_records(), Some(1));
    bridge.close().await;
    for partition in 0..5 {
        assert!(other.in_kafka(partition).await.is_empty());
    }

    let bridge = place.open().await;
    assert_eq!(place.after_the_drain(&bridge, 2).await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_with_a_fatal_error_is_replaced_and_nothing_is_lost() {
    let place = Place::new(1);
    let bridge = place.open().await;
    append(&*bridge, 0, &["before"]).await;
    // librdkafka holds that it and the broker disagree on what was sent, and gives up for good.
    let disagree = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    place.cluster.request_errors(RDKafkaApiKey::Produce, &[disagree]);
    append(&*bridge, 0, &["meanwhile"]).await;
    assert_eq!(place.after_the_drain(&bridge, 0).await, ["before", "meanwhile"]);
    // Directly again, by another producer.
    append(&*bridge, 0, &["after"]).await;
    assert_eq!(bridge.stored_records(), Some(0));
    assert_eq!(place.in_kafka(0).await, ["before", "meanwhile", "after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_error_while_draining_doubles_nothing() {
    let place = Place::new(1);
    let bridge = place.open().await;
    place.away();
    append(&*bridge, 0, &["a"]).await;
    append(&*bridge, 0, &["b"]).await;
    let disagree = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    place.cluster.request_errors(RDKafkaApiKey::Produce, &[disagree, disagree]);
    place.back();
    assert_eq!(place.after_the_drain(&bridge, 0).await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_while_the_brokers_are_away_ends_and_keeps_what_was_accepted() {
    let place = Place::new(1);
    let bridge = place.open().await;
    let mut loader = Loader::join(&*bridge);
    append(&*bridge, 0, &["before"]).await;
    let mut lease = loader.lease(0).await;
    read(&mut lease, 1).await;
    place.away();
    append(&*bridge, 0, &["a"]).await;
    let under_way = tokio::spawn({
        let bridge = Arc::clone(&bridge);
        async move { bridge.append(vec![record(0, "b")]).await.remove(0) }
    });
    until("it is under way or done", || bridge.stored_records() == Some(2)).await;
    drop(lease);
    timeout(PATIENCE, bridge.close()).await.expect("it does not wait for the brokers");
    under_way.await.unwrap().unwrap();
    assert!(matches!(bridge.append(vec![record(0, "c")]).await[..], [Err(StreamError::Closed)]));
    drop(bridge);

    place.back();
    let bridge = place.open().await;
    assert_eq!(place.after_the_drain(&bridge, 0).await, ["before", "a", "b"]);
}
