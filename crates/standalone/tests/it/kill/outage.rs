//! The brokers are away for half a minute and come back.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::watch;

use super::brokers::{Brokers, OwnKafka};
use super::ledger::{assert_exactly_once_but, seed, zone_at_noon};
use super::senders::{PARTLY, Senders};
use crate::cli::process::{ADMIN_KEY, Folder};

/// Longer than a collector waits for the brokers, and than they wait for a loader.
const AWAY: Duration = Duration::from_secs(30);

/// Whoever was told that an event is stored was told the truth, whatever the others were told: a collector that has
/// nowhere to put an event says 503.
#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_stored_once_when_a_real_kafka_was_away() {
    if Brokers::real(8).is_none() {
        return;
    }
    // One of its own: what is done to it would be done to every other test.
    let mut kafka = tokio::task::spawn_blocking(OwnKafka::start).await.unwrap();
    let brokers = Brokers::at(kafka.address(), 8);
    let folder = Folder::new().await;
    let server = folder.serve_openly_with(&brokers.settings());
    let website = server.add_website(ADMIN_KEY, "outage.example", &zone_at_noon()).await;
    let (_tell, house) = watch::channel(server.url());
    let senders = Senders::start(16, seed(), &website, &house);

    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    kafka.freeze();
    tokio::time::sleep(AWAY).await;
    kafka.thaw();
    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    kafka.kill();
    tokio::time::sleep(AWAY).await;
    kafka = tokio::task::spawn_blocking(move || {
        kafka.start_again();
        kafka
    })
    .await
    .unwrap();
    senders.accepted_once_more().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let ledger = senders.stop().await;
    server.settle(ADMIN_KEY, &website).await;
    println!("2 outages of {} s", AWAY.as_secs());
    let answers = [StatusCode::SERVICE_UNAVAILABLE, PARTLY];
    assert_exactly_once_but(&answers, &folder, &server, &website, &ledger).await;
    drop(kafka);
}
