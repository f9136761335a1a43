//! An `event_id` is stored once, whichever partitions its repeats land in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Row;
use futures::future::join_all;
use ingest::dead_letters::{self, Which};
use ingest::load::LoadConfig;
use ingest::stream::kafka::{Kafka, KafkaOptions};
use ingest::stream::{Record, Stream};
use schema::event::{Event, PAGE_VIEW, VERSION};
use schema::rows::EventClaimRow;
use serde::Deserialize;
use serde_json::json;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{Ground, House, NOW, PARTITIONS, Site, at, store_of_its_own};
use crate::load::on_both;

on_both!(
    an_id_from_many_addresses_is_stored_once,
    an_id_is_good_for_24_hours,
    ids_that_race_in_all_partitions_are_stored_once_each,
    ids_are_stored_once_each_wherever_their_loaders_die,
    an_id_whose_row_the_store_refused_is_free_for_others,
);

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

async fn house(ground: &Ground) -> House {
    House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await
}

/// Small batches, so that there are many moments.
fn config() -> LoadConfig {
    LoadConfig { linger: Duration::from_millis(5), batch_rows: 20, ..LoadConfig::default() }
}

async fn an_id_from_many_addresses_is_stored_once(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let neighbour = house.site().await;
    let _loading = house.load(config());
    let people: Vec<_> = (0..20).map(|person| at(format!("10.0.0.{person}"))).collect();
    let event = |id: &str| site.view_with(json!({ "event_id": id }));
    // At once, and one after the other.
    let (together, others) = (event("together"), neighbour.view_with(json!({ "event_id": "together" })));
    let sent = join_all(people.iter().map(|person| house.send(person, &together))).await;
    assert!(sent.iter().all(|status| *status == 202));
    for person in &people {
        assert_eq!(house.send(person, &event("in turn")).await, 202);
    }
    assert_eq!(site.rows().await.len(), 2);
    for person in &people {
        assert_eq!(house.send(person, &others).await, 202);
        assert_eq!(house.send(person, &site.view("/without")).await, 202);
    }
    assert_eq!(neighbour.rows().await.len(), 1, "another website's ids are its own");
    let rows = site.rows().await;
    assert_eq!(rows.len(), 22);
    let partitions: BTreeSet<_> = rows.iter().map(|row| row.kafka_partition).collect();
    assert_eq!(partitions.len(), PARTITIONS as usize, "the people were in all partitions");
}

async fn an_id_is_good_for_24_hours(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let _loading = house.load(config());
    let send = async |address: &str, id: &str| {
        let event = site.view_with(json!({ "event_id": id }));
        assert_eq!(house.send(&at(address), &event).await, 202);
    };
    let addresses: Vec<_> = (0..8).map(|number| format!("10.1.0.{number}")).collect();
    for id in ["same day", "next day", "too late"] {
        send("10.1.0.0", id).await;
    }
    assert_eq!(site.rows().await.len(), 3);
    house.clock.set(NOW + 11 * HOUR_MS);
    for address in &addresses {
        send(address, "same day").await;
    }
    house.clock.set(NOW + 23 * HOUR_MS);
    for address in &addresses {
        send(address, "next day").await;
    }
    assert_eq!(site.rows().await.len(), 3);
    house.clock.set(NOW + 25 * HOUR_MS);
    for address in &addresses {
        send(address, "too late").await;
    }
    assert_eq!(site.rows().await.len(), 4);
}

/// An event of a person with an id.
fn event(site: &Site<'_>, person: u64, id: u128) -> Event {
    Event {
        version: VERSION,
        website: Some(site.id.into()),
        day: (NOW / DAY_MS) as i32,
        time_ms: NOW + id as i64,
        received_ms: NOW + id as i64,
        event_type: PAGE_VIEW.into(),
        path: format!("/{id}"),
        visitor_id: person,
        event_id: Some(Uuid::from_u128(id).into()),
        ..Event::default()
    }
}

async fn append(house: &House, records: Vec<(u32, Event)>) {
    let records: Vec<_> = records
        .into_iter()
        .map(|(partition, event)| Record { partition, payload: Bytes::from(event.to_bytes()) })
        .collect();
    for fate in house.stream.append(records).await {
        fate.unwrap();
    }
}

/// Every id is in every partition, in another order in each of them, so that each may wait for each.
async fn append_everywhere(house: &House, site: &Site<'_>, ids: u128) {
    for partition in 0..PARTITIONS {
        let mut events: Vec<_> = (1..=ids).map(|id| event(site, u64::from(partition) + 1, id)).collect();
        match partition {
            0 => {}
            1 => events.reverse(),
            _ => events.sort_by_key(|event| event.time_ms % 17),
        }
        append(house, events.into_iter().map(|event| (partition, event)).collect()).await;
    }
}

#[derive(Debug, PartialEq, Row, Deserialize)]
struct Counts {
    events: i64,
    visits: i64,
    visitors: i64,
}

/// Each id has one row, and the sums are those of the rows.
async fn assert_once_each(house: &House, site: &Site<'_>, ids: u128) {
    let rows = site.rows().await;
    let mut stored: BTreeMap<Uuid, usize> = BTreeMap::new();
    for row in &rows {
        *stored.entry(row.event_id).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = (1..=ids).map(|id| (Uuid::from_u128(id), 1)).collect();
    assert_eq!(stored, expected);
    let ask = async |sql: &str| house.store.client().query(sql).bind(site.id).fetch_one::<Counts>().await;
    let counted = ask("SELECT toInt64(count()) AS events, toInt64(uniqExact(session_id)) AS visits,
             toInt64(uniqExact(visitor_id)) AS visitors
         FROM events WHERE website_id = ?");
    let summed = ask("SELECT sum(t.events) AS events, sum(t.visits) AS visits, sum(t.visitors) AS visitors
         FROM site_totals AS t WHERE website_id = ?");
    assert_eq!(counted.await.unwrap(), summed.await.unwrap());
    assert_eq!(house.dead_letters().await, []);
}

async fn ids_that_race_in_all_partitions_are_stored_once_each(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    append_everywhere(&house, &site, 200).await;
    let _loading = house.load(config());
    house.settle().await;
    assert_once_each(&house, &site, 200).await;
    // Once more, when all is over.
    append_everywhere(&house, &site, 200).await;
    assert_once_each(&house, &site, 200).await;
}

async fn ids_are_stored_once_each_wherever_their_loaders_die(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    append_everywhere(&house, &site, 120).await;
    for round in 0..12 {
        let loading = house.load(config());
        tokio::time::sleep(Duration::from_millis(15 + 13 * round)).await;
        loading.die().await;
    }
    let _loading = house.load(config());
    house.settle().await;
    assert_once_each(&house, &site, 120).await;
}

async fn an_id_whose_row_the_store_refused_is_free_for_others(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let client = house.store.client();
    client.query("ALTER TABLE events ADD CONSTRAINT poison CHECK path != '/1'").execute().await.unwrap();
    let _loading = house.load(config());
    append(&house, vec![(0, event(&site, 1, 1))]).await;
    house.settle().await;
    assert_eq!(house.dead_letters().await.len(), 1);
    client.query("ALTER TABLE events DROP CONSTRAINT poison").execute().await.unwrap();

    // A retry is stored, and what the operator replays after that is its repeat.
    append(&house, vec![(1, event(&site, 2, 1))]).await;
    assert_eq!(site.rows().await.len(), 1);
    let replayed = dead_letters::replay(&client, &*house.stream, &Which::default(), &house.clock).await;
    assert_eq!(replayed.unwrap(), 1);
    let rows = site.rows().await;
    assert_eq!((rows.len(), rows[0].kafka_partition), (1, 1));
}

/// Repeats of long ago are read again, when nobody knows any more who claimed what.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_are_set_back_bring_no_repeat_to_light() {
    let Ground::Cluster(cluster) = Ground::kafka() else { unreachable!("Kafka's ground is a cluster") };
    let group = async |name: &str| {
        let mut options = KafkaOptions::new(cluster.bootstrap_servers(), PARTITIONS);
        options.group = name.to_owned();
        let stream: Arc<dyn Stream> = Kafka::open(options).await.unwrap();
        stream
    };
    let house = House::open(store_of_its_own().await, group("first").await, Rate::Off).await;
    let site = house.site().await;
    append_everywhere(&house, &site, 60).await;
    let loading = house.load(config());
    assert_once_each(&house, &site, 60).await;
    loading.stop().await;
    let rows = site.rows().await;
    house.store.client().query("TRUNCATE TABLE event_claims").execute().await.unwrap();
    house.clock.set(NOW + 4 * DAY_MS);

    let second = group("second").await;
    let other = LoadConfig { batch_rows: 7, ..config() };
    let _loading = house.load_from(Arc::clone(&second), house.store.client(), other);
    for partition in 0..PARTITIONS {
        while second.committed(partition).await.unwrap() < second.end(partition).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(site.rows().await, rows);
    assert_once_each(&house, &site, 60).await;
}

/// Two machines, each with partitions of its own, one of which comes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_race_on_two_machines_are_stored_once_each() {
    let ground = Ground::kafka();
    let house = house(&ground).await;
    let site = house.site().await;
    append_everywhere(&house, &site, 200).await;
    let second: Arc<dyn Stream> = ground.stream().await;
    let first = house.load(config());
    let other = house.load_from(Arc::clone(&second), house.store.client(), config());
    append_everywhere(&house, &site, 200).await;
    house.settle().await;
    assert_once_each(&house, &site, 200).await;
    first.stop().await;
    other.stop().await;
}

/// More ids than one look takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_may_have_many_thousands_of_ids() {
    let ground = Ground::journal();
    let house = house(&ground).await;
    let site = house.site().await;
    append_everywhere(&house, &site, 6_000).await;
    let _loading = house.load(LoadConfig { linger: Duration::from_millis(50), ..LoadConfig::default() });
    house.settle().await;
    assert_once_each(&house, &site, 6_000).await;
}

/// A loader wanted an id and never came back, since its offset was set forward: nobody waits for it forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_an_event_that_its_partition_has_passed() {
    let ground = Ground::journal();
    let house = house(&ground).await;
    let site = house.site().await;
    append(&house, vec![(1, event(&site, 1, 1))]).await;
    let _loading = house.load(config());
    house.settle().await;
    let want = EventClaimRow {
        website_id: site.id,
        event_id: Uuid::from_u128(2),
        stream: house.stream.id().to_owned(),
        kafka_partition: 1,
        kafka_offset: 0,
        turn: 0,
        received_at: NOW,
    };
    let mut insert = house.store.client().insert::<EventClaimRow>("event_claims").await.unwrap();
    insert.write(&want).await.unwrap();
    insert.end().await.unwrap();
    append(&house, vec![(0, event(&site, 2, 2))]).await;
    assert_once_each(&house, &site, 2).await;
}
