//! Kafka's brokers go away under traffic, and the house is killed meanwhile and afterwards.

use std::time::Duration;

use rdkafka::mocking::MockCluster;
use tokio::sync::watch;

use super::ledger::{assert_exactly_once, zone_at_noon};
use super::senders::Senders;
use crate::cli::process::{ADMIN_KEY, Folder};

/// Longer than a house waits for a delivery report, so that it is the journal that takes the events.
const OUTAGE: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_in_clickhouse_once_after_brokers_were_away_and_houses_killed() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 4, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let settings = [("FOOTFALL_KAFKA", brokers.as_str())];
    let folder = Folder::new().await;
    let mut server = folder.serve_openly_with(&settings);
    let website = server.add_website(ADMIN_KEY, "bridge.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(4, 11, &website, &house);
    senders.accepted_once_more().await;

    cluster.broker_down(-1).unwrap();
    tokio::time::sleep(OUTAGE).await;
    senders.accepted_once_more().await;
    server.kill();
    // Without a broker in sight.
    server = folder.serve_openly_with(&settings);
    tell.send(server.url()).unwrap();
    senders.accepted_once_more().await;
    tokio::time::sleep(OUTAGE).await;
    senders.accepted_once_more().await;

    cluster.broker_up(-1).unwrap();
    let server = tokio::task::spawn_blocking(move || {
        server.wait_until_it_logs("The bridge's journal is empty");
        server
    });
    let server = server.await.unwrap();
    senders.accepted_once_more().await;
    server.kill();
    let server = folder.serve_openly_with(&settings);
    tell.send(server.url()).unwrap();
    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    assert_exactly_once(&folder, &server, &website, &ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_ends_in_order_while_the_brokers_are_away() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 2, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let settings = [("FOOTFALL_KAFKA", brokers.as_str())];
    let folder = Folder::new().await;
    let server = folder.serve_openly_with(&settings);
    let website = server.add_website(ADMIN_KEY, "bridge-end.example", &zone_at_noon()).await;
    let (tell, house) = watch::channel(server.url());
    let senders = Senders::start(2, 12, &website, &house);
    senders.accepted_once_more().await;
    cluster.broker_down(-1).unwrap();
    tokio::time::sleep(OUTAGE).await;
    senders.accepted_once_more().await;
    let stopped = tokio::task::spawn_blocking(move || {
        let asked = std::time::Instant::now();
        let (status, log) = server.terminate(Duration::from_secs(30));
        println!("it ended after {:?}", asked.elapsed());
        (status, log)
    });
    let (status, log) = stopped.await.unwrap();
    assert!(status.success(), "{status}: {log}");

    cluster.broker_up(-1).unwrap();
    let server = folder.serve_openly_with(&settings);
    tell.send(server.url()).unwrap();
    while senders.accepted() < 700 {
        senders.accepted_once_more().await;
    }
    let mut ledger = senders.stop().await;
    // A house that stops may say so.
    ledger.others.retain(|_, status| *status != reqwest::StatusCode::SERVICE_UNAVAILABLE);
    server.settle(ADMIN_KEY, &website).await;
    assert_exactly_once(&folder, &server, &website, &ledger).await;
}
