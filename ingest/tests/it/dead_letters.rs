//! Dead letters: shown with their reasons, and stored once when what was wrong is mended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingest::dead_letters::{self, Listed, Replay, Which};
use ingest::load::LoadConfig;
use ingest::stream::{Record, StreamError};
use schema::rows::{DeadLetterReplayRow, DeadLetterRow};
use serde_json::json;
use service::config::Rate;

use crate::forgetful::Forgetful;
use crate::house::{Ground, House, Site, at, store_of_its_own};

async fn house(ground: &Ground) -> House {
    House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await
}

fn config() -> LoadConfig {
    LoadConfig { linger: Duration::from_millis(5), ..LoadConfig::default() }
}

/// A store that takes everything but `/poison`, until it is mended.
async fn poison(house: &House) {
    let constraint = "ALTER TABLE events ADD CONSTRAINT poison CHECK path != '/poison'";
    house.store.client().query(constraint).execute().await.unwrap();
}

async fn mend(house: &House) {
    house.store.client().query("ALTER TABLE events DROP CONSTRAINT poison").execute().await.unwrap();
}

async fn send_poison(house: &House, site: &Site<'_>) {
    let event = site.view_with(json!({ "path": "/poison", "event_id": "once" }));
    assert_eq!(house.send(&at("203.0.113.1"), &site.view("/before")).await, 202);
    assert_eq!(house.send(&at("203.0.113.1"), &event).await, 202);
    assert_eq!(house.send(&at("203.0.113.1"), &site.view("/after")).await, 202);
    house.settle().await;
}

async fn replay(house: &House, which: Which) -> u64 {
    dead_letters::replay(&house.store.client(), &*house.stream, &which, &house.clock).await.unwrap()
}

async fn list(house: &House, reason: Option<&str>) -> Vec<Listed> {
    dead_letters::list(&house.store.client(), reason, 100).await.unwrap()
}

async fn paths(site: &Site<'_>) -> Vec<String> {
    let mut paths: Vec<_> = site.rows().await.into_iter().map(|row| row.path).collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_shows_what_died_and_why() {
    let house = house(&Ground::journal()).await;
    let site = house.site().await;
    poison(&house).await;
    let _loading = house.load(config());
    send_poison(&house, &site).await;
    let record = Record { partition: 1, payload: Bytes::from_static(b"\xffno event") };
    let offset = house.stream.append(vec![record]).await.remove(0).unwrap();
    house.settle().await;

    let all = list(&house, None).await;
    let reasons: BTreeSet<_> = all.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, BTreeSet::from(["malformed", "refused_by_store"]));
    let malformed = list(&house, Some("malformed")).await;
    assert_eq!(malformed.len(), 1);
    let letter = &malformed[0];
    assert_eq!((letter.stream.as_str(), letter.partition, letter.offset), (house.stream.id(), 1, offset));
    assert_eq!((letter.bytes, letter.recorded_at, letter.replay), (9, house.clock.now(), Replay::Never));
    assert!(!letter.detail.is_empty());
    assert_eq!(list(&house, Some("no such reason")).await, []);
    assert_eq!(dead_letters::list(&house.store.client(), None, 1).await.unwrap().len(), 1);
}

/// With the loader that saw it die still running: what that one remembers must not make the event a repeat.
async fn a_mended_event_is_stored_once_however_often_it_is_replayed(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    poison(&house).await;
    let _loading = house.load(config());
    send_poison(&house, &site).await;
    assert_eq!(paths(&site).await, ["/after", "/before"]);

    mend(&house).await;
    for (time, expected) in [1, 0, 0].into_iter().enumerate() {
        assert_eq!(replay(&house, Which::default()).await, expected, "replay {time}");
        assert_eq!(paths(&site).await, ["/after", "/before", "/poison"]);
    }
    let letters = list(&house, None).await;
    assert_eq!(letters.iter().map(|letter| letter.replay).collect::<Vec<_>>(), [Replay::Done]);
    let visits: i64 = site.rows().await.iter().map(|row| i64::from(row.visits)).sum();
    assert_eq!(visits, 1, "it is part of its person's visit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mended_event_is_stored_once_on_the_journal() {
    a_mended_event_is_stored_once_however_often_it_is_replayed(Ground::journal()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mended_event_is_stored_once_on_kafka() {
    a_mended_event_is_stored_once_however_often_it_is_replayed(Ground::kafka()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_dies_again_is_a_new_one_and_waits_for_the_next_call() {
    let house = house(&Ground::journal()).await;
    let site = house.site().await;
    poison(&house).await;
    let _loading = house.load(config());
    send_poison(&house, &site).await;

    assert_eq!(replay(&house, Which::default()).await, 1);
    house.settle().await;
    let fates: Vec<_> = list(&house, None).await.into_iter().map(|letter| letter.replay).collect();
    assert_eq!(fates.len(), 2);
    assert!(fates.contains(&Replay::Done) && fates.contains(&Replay::Never), "{fates:?}");
    mend(&house).await;
    assert_eq!(replay(&house, Which::default()).await, 1);
    assert_eq!(paths(&site).await, ["/after", "/before", "/poison"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_letters_of_the_asked_reason_are_replayed_in_a_partition_that_is_there() {
    let house = house(&Ground::journal()).await;
    // Of an earlier stream with more partitions.
    for (partition, reason) in [(5_u16, "malformed"), (7, "newer_version")] {
        letter(&house, partition, reason).await;
    }
    let before = house.stream.end(2).await.unwrap();
    let which = Which { reason: Some("malformed".into()), unsure: false };
    assert_eq!(replay(&house, which).await, 1);
    assert_eq!(house.stream.end(2).await.unwrap(), before + 1, "5 modulo 3 partitions");
    assert_eq!(house.appended().await, 1);
    assert_eq!(list(&house, Some("newer_version")).await[0].replay, Replay::Never);
}

async fn letter(house: &House, partition: u16, reason: &str) {
    let row = DeadLetterRow {
        stream: "an earlier stream".into(),
        kafka_partition: partition,
        kafka_offset: 9,
        reason: reason.into(),
        detail: String::new(),
        payload: b"bytes".to_vec(),
        recorded_at: house.clock.now(),
    };
    let mut insert = house.store.client().insert::<DeadLetterRow>("dead_letters").await.unwrap();
    insert.write(&row).await.unwrap();
    insert.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cut_off_replay_left_is_unsure_and_only_replayed_when_asked_for() {
    let house = house(&Ground::journal()).await;
    letter(&house, 0, "malformed").await;
    let begun = DeadLetterReplayRow {
        stream: "an earlier stream".into(),
        kafka_partition: 0,
        kafka_offset: 9,
        begun: 1,
        appended: 0,
        recorded_at: house.clock.now(),
    };
    let mut insert = house.store.client().insert::<DeadLetterReplayRow>("dead_letter_replays").await.unwrap();
    insert.write(&begun).await.unwrap();
    insert.end().await.unwrap();

    assert_eq!(list(&house, None).await[0].replay, Replay::Unsure);
    assert_eq!(replay(&house, Which::default()).await, 0);
    assert_eq!(house.appended().await, 0);
    assert_eq!(replay(&house, Which { reason: None, unsure: true }).await, 1);
    assert_eq!(list(&house, None).await[0].replay, Replay::Done);
    assert_eq!(replay(&house, Which { reason: None, unsure: true }).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_stream_did_not_take_is_replayed_by_the_next_call() {
    let house = house(&Ground::journal()).await;
    letter(&house, 0, "malformed").await;
    let other = Ground::journal();
    let closed = Forgetful(Arc::clone(&other.stream().await));
    ingest::stream::Stream::close(&closed).await;
    let failed = dead_letters::replay(&house.store.client(), &closed, &Which::default(), &house.clock).await;
    let Err(dead_letters::DeadLetterError::Stream { appended: 0, cause: StreamError::Closed }) = failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!(list(&house, None).await[0].replay, Replay::Never);
    assert_eq!(replay(&house, Which::default()).await, 1);
}
