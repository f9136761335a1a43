//! Deleting a website whose events are still in the stream, and erasing a visitor, while loaders load: on both streams.

use std::time::Duration;

use bytes::Bytes;
use ingest::load::LoadConfig;
use ingest::stream::Record;
use reqwest::StatusCode;
use schema::erase;
use schema::event::{Event, VERSION};
use schema::maintain::{Maintainer, Range};
use schema::rollup::change::Silent;
use schema::rollup::tables;
use serde_json::json;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{Ground, House, NOW, PARTITIONS, PATIENCE, at, store_of_its_own};
use crate::load::on_both;

on_both!(
    a_website_that_is_deleted_while_its_events_are_in_the_stream_leaves_none,
    an_erased_visitor_is_forgotten_by_the_loaders_too,
);

/// Events of the deleted website in the stream.
const MANY: u64 = 100_000;

async fn house(ground: &Ground) -> House {
    House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await
}

/// Views of a page, each by a visitor of its own.
async fn append(house: &House, website: Uuid, visitors: std::ops::Range<u64>) {
    let records = visitors
        .map(|visitor| {
            let event = Event {
                version: VERSION,
                website: Some(website.into()),
                event_type: "page_view".into(),
                path: "/".into(),
                visitor_id: visitor + 1,
                day: 20_514,
                time_ms: NOW,
                received_ms: NOW,
                ..Event::default()
            };
            Record {
                partition: (visitor % u64::from(PARTITIONS)) as u32,
                payload: Bytes::from(event.to_bytes()),
            }
        })
        .collect();
    for fate in house.stream.append(records).await {
        fate.unwrap();
    }
}

async fn count(house: &House, sql: &str, website: Uuid) -> u64 {
    house.store.client().query(sql).bind(website).fetch_one::<u64>().await.unwrap()
}

/// Rows of a website in the events and in all rollups.
async fn rows_of(house: &House, website: Uuid) -> u64 {
    let mut rows = count(house, "SELECT count() FROM events WHERE website_id = ?", website).await;
    for table in tables::all(&house.store.client()).await.unwrap() {
        let sql = format!("SELECT count() FROM {} WHERE website_id = ?", table.name);
        rows += count(house, &sql, website).await;
    }
    rows
}

/// Erases as upkeep does, again and again, until it is done.
async fn erase_all(house: &House) {
    let maintainer = Maintainer::new(house.store.clone()).patient(Duration::from_secs(20));
    let erasing = async {
        loop {
            match maintainer.erase().await {
                Ok(done) if !done.is_empty() => return,
                outcome => {
                    println!("Not yet: {outcome:?}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    // A maintainer that died holds the lock for a while, and tables are written anew.
    tokio::time::timeout(3 * PATIENCE, erasing).await.expect("the erasure is done");
}

async fn is_clean(house: &House) {
    let maintainer = Maintainer::new(house.store.clone());
    let findings = maintainer.verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.differences.is_empty(), "{findings:?}");
}

async fn a_website_that_is_deleted_while_its_events_are_in_the_stream_leaves_none(ground: Ground) {
    let house = house(&ground).await;
    let (gone, kept) = (house.site().await, house.site().await);
    let config =
        || LoadConfig { linger: Duration::from_millis(5), batch_rows: 5_000, ..LoadConfig::default() };
    append(&house, gone.id, 0..2_000).await;
    append(&house, kept.id, 0..2_000).await;
    let loading = house.load(config());
    house.settle().await;
    loading.stop().await;
    assert!(rows_of(&house, gone.id).await > 0);

    for part in 0..10 {
        let of_part = |all: u64| 2_000 + part * all / 10..2_000 + (part + 1) * all / 10;
        append(&house, gone.id, of_part(MANY)).await;
        append(&house, kept.id, of_part(1_000)).await;
    }
    house.directory.delete_website(gone.id).await.unwrap();
    assert_eq!(house.send(&at("10.0.0.1"), &gone.view("/")).await, StatusCode::NO_CONTENT);

    // Some of it is loaded, the loader dies in the midst, its maintainer too, and others go on.
    let first = house.load(config());
    let maintainer = Maintainer::new(house.store.clone());
    let dying = tokio::spawn(async move { maintainer.erase().await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.die().await;
    dying.abort();
    let second = house.load(config());
    erase_all(&house).await;
    house.settle().await;

    assert_eq!(rows_of(&house, gone.id).await, 0);
    let visitors = "SELECT uniqExact(visitor_id) FROM events WHERE website_id = ?";
    let rows = "SELECT count() FROM events WHERE website_id = ?";
    let added = "SELECT toUInt64(sum(t.visits)) FROM site_totals AS t WHERE website_id = ?";
    for sql in [visitors, rows, added] {
        assert_eq!(count(&house, sql, kept.id).await, 3_000, "{sql}");
    }
    // What is read again from the beginning, and what comes afterwards, is dropped too.
    append(&house, gone.id, 0..1_000).await;
    append(&house, kept.id, 3_000..3_010).await;
    house.settle().await;
    assert_eq!(rows_of(&house, gone.id).await, 0);
    assert_eq!(count(&house, rows, kept.id).await, 3_010);
    is_clean(&house).await;
    second.stop().await;
}

async fn an_erased_visitor_is_forgotten_by_the_loaders_too(ground: Ground) {
    let house = house(&ground).await;
    let (site, reference) = (house.site().await, house.site().await);
    let loading = house.load(LoadConfig { linger: Duration::from_millis(5), ..LoadConfig::default() });
    let by = |site: &crate::house::Site<'_>, user: &str, minute: i64| {
        let time = chrono_text(NOW - 3_600_000 + minute * 60_000);
        let mut event = site.view_with(json!({ "user_id": user, "timestamp": time }));
        event["path"] = json!(format!("/{minute}"));
        event
    };
    let lines = |site| ["ann", "bob"].map(|user| [1, 2, 3].map(|minute| by(site, user, minute))).concat();
    site.import_all(&lines(&site)).await;
    reference.import_all(&[1, 2, 3].map(|minute| by(&reference, "bob", minute))).await;

    let visitor = house.directory.visitor_of_user(site.id, "ann");
    assert_eq!(site.rows().await.iter().filter(|row| row.visitor_id == visitor).count(), 3);
    erase::request_visitor(&house.store.client(), site.id, visitor, NOW + 1).await.unwrap();
    erase_all(&house).await;
    assert!(site.rows().await.iter().all(|row| row.visitor_id != visitor));
    // Of the session that she was in nothing is remembered: what she does later is a visit of its own.
    house.clock.set(NOW + 1_000);
    site.import_all(&[by(&site, "ann", 5)]).await;
    let rows = site.rows().await;
    let hers: Vec<_> = rows.iter().filter(|row| row.visitor_id == visitor).collect();
    assert_eq!(
        hers.iter().map(|row| (row.visits, row.visitors, row.bounces)).collect::<Vec<_>>(),
        [(1, 1, 1)]
    );

    erase::request_visitor(&house.store.client(), site.id, visitor, NOW + 2_000).await.unwrap();
    erase_all(&house).await;
    let sums = "SELECT toUInt64(sum(t.visits) * 1000000 + sum(t.events) * 1000 + sum(t.pageviews)) FROM site_totals AS t WHERE website_id = ?";
    assert_eq!(count(&house, sums, site.id).await, 1_003_003);
    assert_eq!(count(&house, sums, reference.id).await, 1_003_003);
    is_clean(&house).await;
    loading.stop().await;
}

fn chrono_text(millis: i64) -> String {
    chrono::DateTime::from_timestamp_millis(millis).unwrap().to_rfc3339()
}
