//! The brokers are away for half a minute and come back.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::watch;

use super::brokers::{Brokers, OwnKafka};
use super::ledger::{assert_exactly_once_but, seed, zone_at_noon};
use super::senders::{PARTLY, Senders};
use crate::cli::process::{ADMIN_KEY, Folder, Server};

/// Longer than a collector waits for the brokers, and than they wait for a loader.
const AWAY: Duration = Duration::from_secs(30);

/// Enough for the same on Kafka's protocol, where nothing else takes its time.
const AWAY_SHORTLY: Duration = Duration::from_secs(13);

/// A house on these brokers, and machines that send to it.
struct Scene {
    folder: Folder,
    server: Server,
    website: String,
    senders: Senders,
    _house: watch::Sender<String>,
}

impl Scene {
    async fn on(brokers: &Brokers) -> Self {
        let folder = Folder::new().await;
        let server = folder.serve_openly_with(&brokers.settings());
        let website = server.add_website(ADMIN_KEY, "outage.example", &zone_at_noon()).await;
        let (tell, house) = watch::channel(server.url());
        let senders = Senders::start(16, seed(), &website, &house);
        let scene = Self { folder, server, website, senders, _house: tell };
        scene.goes_on().await;
        scene
    }

    /// The brokers are there, and have been for a while.
    async fn goes_on(&self) {
        self.senders.accepted_once_more().await;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }

    /// Whoever was told that an event is stored was told the truth, whatever the others were told: a collector that
    /// has nowhere to put an event says 503.
    async fn assert_nobody_was_deceived(self) {
        let ledger = self.senders.stop().await;
        self.server.settle(ADMIN_KEY, &self.website).await;
        let answers = [StatusCode::SERVICE_UNAVAILABLE, PARTLY];
        assert_exactly_once_but(&answers, &self.folder, &self.server, &self.website, &ledger).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_stored_once_when_kafka_was_away() {
    let brokers = Brokers::mock(4);
    let scene = Scene::on(&brokers).await;
    brokers.go_away();
    tokio::time::sleep(AWAY_SHORTLY).await;
    brokers.come_back();
    scene.goes_on().await;
    scene.assert_nobody_was_deceived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_202_is_stored_once_when_a_real_kafka_was_away() {
    if Brokers::real(8).is_none() {
        return;
    }
    // One of its own: what is done to it would be done to every other test.
    let mut kafka = tokio::task::spawn_blocking(OwnKafka::start).await.unwrap();
    let scene = Scene::on(&Brokers::at(kafka.address(), 8)).await;
    kafka.freeze();
    tokio::time::sleep(AWAY).await;
    kafka.thaw();
    scene.goes_on().await;
    kafka.kill();
    tokio::time::sleep(AWAY).await;
    let started = tokio::task::spawn_blocking(move || {
        kafka.start_again();
        kafka
    });
    let _kafka = started.await.unwrap();
    scene.goes_on().await;
    scene.assert_nobody_was_deceived().await;
}
