//! What only Kafka does: brokers that go away, and loaders that share.

use std::sync::Arc;
use std::time::Duration;

use ingest::stream::kafka::{Kafka, KafkaOptions};
use ingest::stream::{Lease, Offset, Position, Stream, StreamError};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio::time::timeout;

use crate::house::{Loader, PATIENCE, append, cluster, options, read, record, texts, up_to};

async fn append_one(stream: &Kafka, payload: &str) -> Result<Offset, StreamError> {
    stream.append(vec![record(0, payload)]).await.remove(0)
}

/// Sends again until it is stored.
async fn append_at_last(stream: &Kafka, payload: &str) -> Offset {
    let trying = async {
        loop {
            if let Ok(offset) = append_one(stream, payload).await {
                return offset;
            }
        }
    };
    timeout(PATIENCE, trying).await.expect("the stream works again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_makes_the_stream_unavailable_until_it_is_back() {
    let cluster = cluster(1);
    let quick = KafkaOptions { message_timeout: Duration::from_secs(2), ..options(&cluster, 1) };
    let stream = Kafka::open(quick).await.unwrap();
    assert_eq!(append_one(&stream, "before").await.unwrap(), 0);

    cluster.broker_down(-1).unwrap();
    let refused = timeout(PATIENCE, append_one(&stream, "meanwhile")).await.expect("it answers in time");
    assert!(matches!(refused, Err(StreamError::Unavailable(_))), "{refused:?}");

    cluster.broker_up(-1).unwrap();
    let last = append_at_last(&stream, "after").await;
    let mut loader = Loader::join(&*stream);
    let mut lease = loader.lease(0).await;
    let records = read(&mut lease, usize::try_from(last).unwrap() + 1).await;
    assert_eq!((texts(&records)[0], texts(&records)[records.len() - 1]), ("before", "after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_with_a_fatal_error_is_replaced() {
    let cluster = cluster(1);
    let denied = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &[denied]);
    let stream = Kafka::open(options(&cluster, 1)).await.unwrap();
    let refused = append_one(&stream, "first").await;
    assert!(matches!(refused, Err(StreamError::Unavailable(_))), "{refused:?}");
    assert_eq!(append_at_last(&stream, "second").await, 0, "the first was never stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_stores_what_it_took() {
    let cluster = cluster(1);
    let small = KafkaOptions { queue_bytes: 16 << 10, ..options(&cluster, 1) };
    let stream = Kafka::open(small).await.unwrap();
    let results = stream.append((0..64).map(|_| record(0, "x".repeat(1 << 10))).collect()).await;
    let taken = results.iter().take_while(|result| result.is_ok()).count();
    assert!((1..64).contains(&taken), "{taken}");
    assert!(results[taken..].iter().all(|result| matches!(result, Err(StreamError::Full))));
    assert_eq!(stream.end(0).await.unwrap(), taken as u64);
}

#[tokio::test]
async fn an_existing_topic_keeps_its_partitions_and_names_the_stream() {
    let cluster = cluster(5);
    let stream = Kafka::open(options(&cluster, 2)).await.unwrap();
    assert_eq!((stream.partitions(), stream.id()), (5, "kafka-events"));
}

#[test]
fn the_options_do_not_tell_their_secrets() {
    let extra = vec![("sasl.password".into(), "hunter2".into())];
    let options = KafkaOptions { extra, ..KafkaOptions::new("localhost:9092", 1) };
    let shown = format!("{options:?}");
    assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_share_the_partitions_and_one_that_leaves_hands_over_its_plan() {
    let cluster = cluster(4);
    let first = Kafka::open(options(&cluster, 4)).await.unwrap();
    let second = Kafka::open(options(&cluster, 4)).await.unwrap();
    for partition in 0..4 {
        append(&*first, partition, &["a", "b", "c"]).await;
    }
    // A loader that works: it holds what it has until it is revoked.
    let mut one = Loader::join(&*first);
    for partition in 0..4 {
        let lease = one.lease(partition).await;
        one.kept.insert(partition, lease);
    }

    let mut two = Loader::join(&*second);
    let mut moved: Vec<Box<dyn Lease>> = Vec::new();
    while moved.len() < 2 {
        tokio::select! {
            lease = two.receive() => moved.push(lease),
            () = drop_revoked(&mut one) => {}
        }
    }
    assert_eq!(one.kept.len(), 2, "the others stay where they are");

    let mut handed: Vec<_> = moved.iter().map(|lease| lease.partition()).collect();
    moved[0].commit(1).await.unwrap();
    moved[0].plan(3).await.unwrap();
    let planned = moved[0].partition();
    drop(moved);
    two.stop().await;

    while let Some(&partition) = handed.first() {
        let mut lease = one.lease(partition).await;
        let expected = if partition == planned {
            Position { next: 1, plan: Some(3) }
        } else {
            Position { next: 0, plan: None }
        };
        assert_eq!(lease.position(), expected);
        let rest = read(&mut lease, 3 - usize::try_from(expected.next).unwrap()).await;
        assert_eq!(rest[0].offset, expected.next);
        one.kept.insert(partition, lease);
        handed.remove(0);
    }
}

async fn drop_revoked(loader: &mut Loader) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    loader.kept.retain(|_, lease| !lease.revoked().is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_does_not_let_go_loses_its_lease() {
    let cluster = cluster(2);
    let hasty = KafkaOptions { revoke_wait: Duration::from_millis(200), ..options(&cluster, 2) };
    let first = Kafka::open(hasty).await.unwrap();
    let second = Kafka::open(options(&cluster, 2)).await.unwrap();
    append(&*first, 0, &["a"]).await;
    append(&*first, 1, &["a"]).await;
    let mut one = Loader::join(&*first);
    let mut stubborn = vec![one.lease(0).await, one.lease(1).await];

    let mut two = Loader::join(&*second);
    let mut taken = two.receive().await;
    let lost = stubborn.iter().position(|lease| lease.partition() == taken.partition()).unwrap();
    let mut lost = stubborn.remove(lost);
    assert!(lost.revoked().is_cancelled());
    assert!(matches!(lost.read(up_to(1)).await, Err(StreamError::Lost)));
    assert!(matches!(lost.plan(1).await, Err(StreamError::Lost)));
    assert!(matches!(lost.commit(1).await, Err(StreamError::Lost)));

    assert_eq!(taken.position(), Position { next: 0, plan: None }, "the zombie changed nothing");
    taken.commit(1).await.unwrap();
    stubborn[0].commit(1).await.expect("the other partition is still its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_an_old_generation_revokes_the_lease() {
    let cluster = cluster(1);
    let stream: Arc<Kafka> = Kafka::open(options(&cluster, 1)).await.unwrap();
    append(&*stream, 0, &["a", "b"]).await;
    let mut loader = Loader::join(&*stream);
    let mut lease = loader.lease(0).await;
    let old = RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[old]);
    assert!(matches!(lease.plan(1).await, Err(StreamError::Lost)));
    assert!(lease.revoked().is_cancelled());
    assert!(matches!(lease.commit(1).await, Err(StreamError::Lost)), "once lost, it stays lost");
    assert_eq!(stream.committed(0).await.unwrap(), 0);
    drop(lease);
    let mut lease = loader.lease(0).await;
    assert_eq!(texts(&read(&mut lease, 2).await), ["a", "b"]);
}
