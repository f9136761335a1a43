//! From the stream to the store, on both streams: nothing lost, nothing doubled, and every sum as it should be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clickhouse::Row;
use futures::future::join_all;
use ingest::load::LoadConfig;
use ingest::load::insert::{insert_dead_letters, insert_events};
use ingest::load::sessionise::{Day, Place, Sessioniser};
use ingest::stream::kafka::{Kafka, KafkaOptions};
use ingest::stream::{Record, Stored, Stream};
use schema::event::{Event, VERSION};
use schema::rows::{DeadLetterRow, EventRow};
use schema::store::StoreUrl;
use serde::Deserialize;
use serde_json::json;
use service::Stop;
use service::config::Rate;
use tokio::net::TcpListener;

use crate::forgetful::Forgetful;
use crate::hand::Hand;
use crate::house::{Ground, House, NOW, PARTITIONS, Site, at, store_of_its_own};

/// Runs every test on a fresh journal and on a fresh mock cluster, each with a database of its own.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_the_journal {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::Ground::journal()).await;
                }
            )+
        }
        mod on_kafka {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::Ground::kafka()).await;
                }
            )+
        }
    };
}

pub(crate) use on_both;

on_both!(
    every_accepted_event_is_one_row_and_the_deltas_add_up,
    a_loader_that_is_stopped_in_the_middle_doubles_nothing,
    a_loader_that_cannot_commit_doubles_nothing,
    a_batch_that_was_inserted_but_not_committed_is_dropped_by_the_store,
    a_record_that_cannot_be_read_is_a_dead_letter_and_the_partition_goes_on,
    a_row_that_the_store_refuses_is_found_and_its_neighbours_land,
    a_row_that_the_store_refuses_takes_no_count_of_others_with_it,
    a_row_that_the_store_refuses_is_one_letter_wherever_its_loader_dies,
    a_store_that_is_away_holds_up_the_loading_and_nothing_else,
);

async fn house(ground: &Ground) -> House {
    House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await
}

/// Small batches, so that a test has many.
fn config() -> LoadConfig {
    LoadConfig { linger: Duration::from_millis(5), batch_rows: 7, ..LoadConfig::default() }
}

/// What a summary adds up.
#[derive(Debug, PartialEq, Row, Deserialize)]
struct Totals {
    events: i64,
    pageviews: i64,
    unique_pageviews: i64,
    visitors: i64,
    visits: i64,
    bounces: i64,
    duration_ms: i64,
}

/// Counted from the events, and as the rollup has it. They must be equal.
async fn totals(house: &House, site: &Site<'_>) -> Totals {
    let ask =
        async |sql: &str| house.store.client().query(sql).bind(site.id).fetch_one::<Totals>().await.unwrap();
    let counted =
        ask("SELECT toInt64(count()) AS events, toInt64(countIf(event_type = 'page_view')) AS pageviews,
             toInt64(uniqExactIf((session_id, path), event_type = 'page_view')) AS unique_pageviews,
             toInt64(uniqExact(day, visitor_id)) AS visitors, toInt64(uniqExact(session_id)) AS visits,
             sum(toInt64(e.bounces)) AS bounces, sum(e.duration_ms) AS duration_ms
         FROM events AS e WHERE website_id = ?");
    let rolled_up = ask(
        "SELECT sum(t.events) AS events, sum(t.pageviews) AS pageviews, sum(t.unique_pageviews) AS unique_pageviews,
             sum(t.visitors) AS visitors, sum(t.visits) AS visits, sum(t.bounces) AS bounces,
             sum(t.duration_ms) AS duration_ms
         FROM site_totals AS t WHERE website_id = ?",
    );
    let (counted, rolled_up) = (counted.await, rolled_up.await);
    assert_eq!(counted, rolled_up);
    rolled_up
}

/// The three stories that people live, a step every 20 s: one leaves at once, one looks at a second page, one signs up
/// and looks on.
const STORIES: [&[&str]; 3] = [&["/"], &["/", "/pricing"], &["/", "signup", "/done"]];
const STEP_MS: i64 = 20_000;

/// All people of a step call at once; everyone's next step comes after.
async fn live(house: &House, site: &Site<'_>, step: usize, people: usize) {
    house.clock.set(NOW + STEP_MS * step as i64);
    let calls = (0..people).filter_map(|person| {
        let what = STORIES[person % 3].get(step)?;
        let event = if what.starts_with('/') {
            site.view(what)
        } else {
            site.view_with(json!({ "event_type": what }))
        };
        Some(async move { house.send(&at(format!("10.0.{}.{}", person / 200, person % 200)), &event).await })
    });
    assert!(join_all(calls).await.iter().all(|status| *status == 202));
}

/// What the stories add up to.
fn expected(people: usize) -> Totals {
    let each = (people / 3) as i64;
    Totals {
        events: 6 * each,
        pageviews: 5 * each,
        unique_pageviews: 5 * each,
        visitors: 3 * each,
        visits: 3 * each,
        bounces: each,
        duration_ms: each * (STEP_MS + 2 * STEP_MS),
    }
}

async fn every_accepted_event_is_one_row_and_the_deltas_add_up(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let _loading = house.load(config());
    for step in 0..3 {
        live(&house, &site, step, 60).await;
    }
    house.settle().await;
    assert_eq!(house.appended().await, 120, "one record for each answer");
    assert_eq!(totals(&house, &site).await, expected(60));
    assert_eq!(house.dead_letters().await, []);

    let places = "SELECT uniqExact(kafka_partition, kafka_offset), uniqExact(visitor_id),
                      uniqExact(visitor_id, kafka_partition)
                  FROM events WHERE website_id = ?";
    let places =
        house.store.client().query(places).bind(site.id).fetch_one::<(u64, u64, u64)>().await.unwrap();
    assert_eq!(places, (120, 60, 60), "a record is one row, a person is in one partition");
}

async fn a_loader_that_is_stopped_in_the_middle_doubles_nothing(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let people = 90;
    for step in 0..2 {
        live(&house, &site, step, people).await;
    }
    let loading = house.load(config());
    until_something_is_stored(&house).await;
    loading.stop().await;
    let before = stored(&house).await;
    assert!((1..150).contains(&before), "{before} rows: it was not in the middle");

    let loading = house.load(config());
    live(&house, &site, 2, people).await;
    house.settle().await;
    loading.stop().await;
    let _once_more = house.load(config());
    house.settle().await;
    assert_eq!(totals(&house, &site).await, expected(people));
    assert_eq!(house.dead_letters().await, []);
}

/// How many rows are in the store; the rollup may still be behind.
async fn stored(house: &House) -> u64 {
    house.store.client().query("SELECT count() FROM events").fetch_one().await.unwrap()
}

async fn until_something_is_stored(house: &House) {
    while stored(house).await == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn a_loader_that_cannot_commit_doubles_nothing(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let people = 60;
    live(&house, &site, 0, people).await;
    live(&house, &site, 1, people).await;
    let forgetful = Arc::new(Forgetful(Arc::clone(&house.stream)));
    let loading = house.load_from(forgetful, house.store.client(), config());
    until_something_is_stored(&house).await;
    loading.stop().await;
    let committed = (0..PARTITIONS).map(|partition| house.stream.committed(partition));
    assert!(join_all(committed).await.into_iter().all(|offset| offset.unwrap() == 0));

    // The next one would read in larger pieces, but makes the planned ones first.
    let _loading = house.load(LoadConfig { linger: Duration::from_millis(5), ..LoadConfig::default() });
    live(&house, &site, 2, people).await;
    house.settle().await;
    assert_eq!(totals(&house, &site).await, expected(people));
}

/// What a loader makes of a partition's records, which are the first of their website.
fn rows_of(house: &House, partition: u32, records: &[Stored]) -> (Vec<EventRow>, Vec<DeadLetterRow>) {
    let (mut sessions, mut rows, mut dead) = (Sessioniser::default(), Vec::new(), Vec::new());
    for record in records {
        match Event::from_bytes(&record.payload) {
            Ok(event) => {
                while let Some(day) = sessions.missing(&event) {
                    sessions.put(day, Day::default());
                }
                let place = Place { stream: house.stream.id(), partition, offset: record.offset };
                rows.extend(sessions.apply(event, place));
            }
            Err(error) => dead.push(DeadLetterRow {
                stream: house.stream.id().to_owned(),
                kafka_partition: u16::try_from(partition).unwrap(),
                kafka_offset: record.offset,
                reason: "malformed".into(),
                detail: error.to_string(),
                payload: record.payload.to_vec(),
                recorded_at: NOW,
            }),
        }
    }
    (rows, dead)
}

async fn a_batch_that_was_inserted_but_not_committed_is_dropped_by_the_store(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let people = 60;
    for step in 0..2 {
        live(&house, &site, step, people).await;
    }
    append(&house, 0, b"\xffno event").await;
    live(&house, &site, 2, people).await;

    // One loader plans everything, inserts most of it, and dies.
    let mut hand = Hand::join(&*house.stream).await;
    let client = house.store.client();
    for partition in 0..house.stream.partitions() {
        let records = hand.read(&*house.stream, partition).await;
        let end = records.last().unwrap().offset + 1;
        hand.plan(partition, end).await;
        let (rows, dead) = rows_of(&house, partition, &records);
        let token = format!("{}/{partition}/0-{end}", house.stream.id());
        if partition != 1 {
            assert_eq!(insert_events(&client, &token, &rows, &Stop::new()).await.unwrap(), []);
        }
        if partition == 0 {
            insert_dead_letters(&client, &token, &dead, &Stop::new()).await.unwrap();
        }
    }
    hand.leave().await;
    assert!(totals(&house, &site).await.events > 0);

    // The next one reads in other pieces, but makes the plan's batches again.
    house.clock.set(NOW + 3_600_000);
    let _loading = house.load(config());
    house.settle().await;
    assert_eq!(totals(&house, &site).await, expected(people));
    let dead = house.dead_letters().await;
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].recorded_at, &*dead[0].payload), (NOW, &b"\xffno event"[..]));
}

async fn append(house: &House, partition: u32, payload: &[u8]) -> u64 {
    let record = Record { partition, payload: Bytes::copy_from_slice(payload) };
    house.stream.append(vec![record]).await.remove(0).unwrap()
}

async fn a_record_that_cannot_be_read_is_a_dead_letter_and_the_partition_goes_on(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let people = 30;
    let nameless = Event { version: VERSION, website: Some(site.id.into()), ..Event::default() };
    let newer = Event { version: VERSION + 1, event_type: "page_view".into(), ..nameless.clone() };
    let homeless = Event { website: None, event_type: "page_view".into(), ..nameless.clone() };
    let bad = [
        (b"\x08\xff\xff\xff".to_vec(), "malformed"),
        (newer.to_bytes(), "newer_version"),
        (homeless.to_bytes(), "malformed"),
        (Vec::new(), "malformed"),
        (nameless.to_bytes(), "malformed"),
    ];
    let mut expected_letters = Vec::new();
    live(&house, &site, 0, people).await;
    for partition in 0..house.stream.partitions() {
        for (payload, reason) in &bad {
            let offset = append(&house, partition, payload).await;
            expected_letters.push((partition, offset, (*reason).to_owned(), payload.clone()));
        }
    }
    let loading = house.load(config());
    live(&house, &site, 1, people).await;
    live(&house, &site, 2, people).await;
    house.settle().await;
    loading.stop().await;
    let _once_more = house.load(config());
    house.settle().await;

    assert_eq!(totals(&house, &site).await, expected(people));
    let letters: Vec<_> = house
        .dead_letters()
        .await
        .into_iter()
        .map(|letter| (u32::from(letter.kafka_partition), letter.kafka_offset, letter.reason, letter.payload))
        .collect();
    assert_eq!(letters, expected_letters);
}

async fn a_row_that_the_store_refuses_is_found_and_its_neighbours_land(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let constraint = "ALTER TABLE events ADD CONSTRAINT poison CHECK path != '/poison'";
    house.store.client().query(constraint).execute().await.unwrap();
    let people = 60;
    live(&house, &site, 0, people).await;
    for poisoner in 0..4 {
        assert_eq!(house.send(&at(format!("10.9.0.{poisoner}")), &site.view("/poison")).await, 202);
    }
    live(&house, &site, 1, people).await;
    live(&house, &site, 2, people).await;
    // All of a partition in one block, so that there is something to halve.
    let whole = LoadConfig { linger: Duration::from_millis(100), ..LoadConfig::default() };
    let loading = house.load(whole.clone());
    house.settle().await;
    loading.stop().await;
    let _once_more = house.load(whole);
    house.settle().await;

    assert_eq!(totals(&house, &site).await, expected(people));
    let letters = house.dead_letters().await;
    assert_eq!(letters.len(), 4);
    for letter in letters {
        assert_eq!(
            (letter.reason.as_str(), letter.detail.as_str()),
            ("refused_by_store", "VIOLATED_CONSTRAINT")
        );
        assert_eq!(Event::from_bytes(&letter.payload).unwrap().path, "/poison");
    }
}

/// Begins where the store refuses it, and looks on: the visit is the second view's, and a minute is not counted.
async fn poisoned(house: &House, site: &Site<'_>, people: u32) {
    let constraint = "ALTER TABLE events ADD CONSTRAINT poison CHECK path != '/poison'";
    house.store.client().query(constraint).execute().await.unwrap();
    for (step, path) in ["/poison", "/", "/done"].into_iter().enumerate() {
        house.clock.set(NOW + STEP_MS * step as i64);
        for person in 0..people {
            let event = site.view_with(json!({ "path": path, "event_id": format!("{person}{path}") }));
            assert_eq!(house.send(&at(format!("10.3.0.{person}")), &event).await, 202);
        }
    }
}

async fn assert_poison_counts_nowhere(house: &House, site: &Site<'_>, people: u32) {
    let each = i64::from(people);
    let expected = Totals {
        events: 2 * each,
        pageviews: 2 * each,
        unique_pageviews: 2 * each,
        visitors: each,
        visits: each,
        bounces: 0,
        duration_ms: each * STEP_MS,
    };
    assert_eq!(totals(house, site).await, expected);
    let letters = house.dead_letters().await;
    assert_eq!(letters.len(), people as usize);
    assert!(letters.iter().all(|letter| letter.reason == "refused_by_store"), "{letters:?}");
}

async fn a_row_that_the_store_refuses_takes_no_count_of_others_with_it(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    poisoned(&house, &site, 12).await;
    let _loading = house.load(LoadConfig { linger: Duration::from_millis(100), ..LoadConfig::default() });
    house.settle().await;
    assert_poison_counts_nowhere(&house, &site, 12).await;
}

async fn a_row_that_the_store_refuses_is_one_letter_wherever_its_loader_dies(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    poisoned(&house, &site, 6).await;
    for round in 0..8 {
        let loading = house.load(config());
        tokio::time::sleep(Duration::from_millis(20 + 35 * round)).await;
        loading.die().await;
    }
    let _loading = house.load(config());
    house.settle().await;
    assert_poison_counts_nowhere(&house, &site, 6).await;
}

async fn a_store_that_is_away_holds_up_the_loading_and_nothing_else(ground: Ground) {
    let house = house(&ground).await;
    let site = house.site().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = StoreUrl::parse(&format!("http://{nobody}")).unwrap().client();
    let loading = house.load_from(Arc::clone(&house.stream), away, config());
    let people = 30;
    live(&house, &site, 0, people).await;
    live(&house, &site, 1, people).await;
    // Long enough for a loader that gives up to do so.
    tokio::time::sleep(Duration::from_millis(500)).await;
    loading.stop().await;

    let _back = house.load(config());
    live(&house, &site, 2, people).await;
    house.settle().await;
    assert_eq!(totals(&house, &site).await, expected(people));
    assert_eq!(house.dead_letters().await, []);
}

/// A group without offsets begins at the start of the topic, and makes other batches than the first one did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_are_set_back_to_the_start_change_nothing() {
    let Ground::Cluster(cluster) = Ground::kafka() else { unreachable!("Kafka's ground is a cluster") };
    let group = async |name: &str| {
        let mut options = KafkaOptions::new(cluster.bootstrap_servers(), PARTITIONS);
        options.group = name.to_owned();
        let stream: Arc<dyn Stream> = Kafka::open(options).await.unwrap();
        stream
    };
    let first = group("first").await;
    let house = House::open(store_of_its_own().await, first.clone(), Rate::Off).await;
    let site = house.site().await;
    for step in 0..3 {
        live(&house, &site, step, 60).await;
    }
    // A repeat and a record that cannot be read are passed over as well.
    let mut repeated = site.view("/again");
    repeated["event_id"] = json!("again");
    assert_eq!(house.send(&at("10.9.9.9"), &repeated).await, 202);
    assert_eq!(house.send(&at("10.9.9.9"), &repeated).await, 202);
    let poison = Record { partition: 0, payload: Bytes::from_static(b"poison") };
    first.append(vec![poison]).await.pop().unwrap().unwrap();
    assert_eq!(house.send(&at("10.9.9.9"), &site.view("/last")).await, 202);
    let loading = house.load(config());
    house.settle().await;
    loading.stop().await;
    let (before, rows, letters) =
        (totals(&house, &site).await, site.rows().await, house.dead_letters().await);
    assert_eq!((rows.len(), letters.len()), (122, 1));

    // From the start, in batches of another size, and again after new events have come.
    let second = group("second").await;
    let loading =
        house.load_from(second.clone(), house.store.client(), LoadConfig { batch_rows: 11, ..config() });
    settle(&*second).await;
    assert_eq!(totals(&house, &site).await, before);
    assert_eq!(site.rows().await, rows);
    assert_eq!(house.dead_letters().await, letters);
    assert_eq!(house.send(&at("10.9.9.9"), &site.view("/new")).await, 202);
    settle(&*second).await;
    loading.stop().await;
    assert_eq!(totals(&house, &site).await.events, before.events + 1);
}

/// Waits until a stream's loaders have committed all that it holds.
async fn settle(stream: &dyn Stream) {
    for partition in 0..stream.partitions() {
        let end = stream.end(partition).await.unwrap();
        while stream.committed(partition).await.unwrap() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
