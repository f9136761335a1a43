//! Who leaves takes the query along.

use std::sync::Arc;

use query_api::report::sql::Limits;
use query_api::report::{Metric, Prefer, Reports};
use reqwest::Method;
use schema::store::StoreUrl;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{House, house, house_of_its_own, move_readers, serve, store};

/// A store whose events take a tenth of a second each.
async fn slow_store() -> StoreUrl {
    let store = store().await;
    let database = format!("slow_{}", Uuid::new_v4().simple());
    let create = |text: &'static str| store.client().query_raw(text).param("database", &database);
    create("CREATE DATABASE {database:Identifier}").execute().await.unwrap();
    create(
        "CREATE VIEW {database:Identifier}.events AS
         SELECT generateUUIDv4() AS website_id, toDate('2026-03-02') AS day, now64(3, 'UTC') AS time,
                'page_view' AS event_type, '/' AS path, '' AS event_name, false AS is_excluded, false AS is_bot,
                1::UInt64 AS session_id, day AS session_day, 1::Int8 AS visits, 1::UInt64 AS visitor_id
         FROM numbers(1000000)
         WHERE sleepEachRow(0.1) = 0
         SETTINGS max_block_size = 1, max_threads = 1, function_sleep_max_microseconds_per_block = 10000000",
    )
    .execute()
    .await
    .unwrap();
    store.with_database(&database)
}

/// Waits until so many reports run on a store.
async fn running(slow: &StoreUrl, count: u64) {
    let sql = "SELECT count() FROM system.processes WHERE current_database = ? AND query LIKE '%AS counts%'";
    for _ in 0..1200 {
        let now: u64 = slow.server().query(sql).bind(slow.database()).fetch_one().await.unwrap();
        if now == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("there were never {count} queries");
}

/// How the reports on a store ended, by the store's own log.
async fn ends(slow: &StoreUrl) -> Vec<String> {
    let server = slow.server();
    server.query("SYSTEM FLUSH LOGS").execute().await.unwrap();
    let sql =
        "SELECT if(exception_code = 0, 'answered', errorCodeToName(exception_code)) FROM system.query_log
               WHERE current_database = ? AND query LIKE '%AS counts%' AND type != 'QueryStart'";
    server.query(sql).bind(slow.database()).fetch_all().await.unwrap()
}

/// Waits until so many have.
async fn ended(slow: &StoreUrl, count: usize) {
    for _ in 0..600 {
        if ends(slow).await.len() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("there were never {count} that ended: {:?}", ends(slow).await);
}

/// That the reports on a store ended because nobody waited for them any more, and not at a limit.
async fn were_cancelled(slow: &StoreUrl, count: usize) {
    let ends = ends(slow).await;
    assert_eq!(ends.len(), count, "{ends:?}");
    assert!(ends.iter().all(|end| end.starts_with("QUERY_WAS_CANCELLED")), "{ends:?}");
}

#[tokio::test]
async fn a_report_that_is_dropped_is_not_counted_on() {
    let house = house().await;
    let slow = slow_store().await;
    let limits = Limits { seconds: 1000, ..Limits::default() };
    let reports = Reports::new(&slow, house.clock.clone()).limited(&slow, limits).prefer(Prefer::EventsOnly);
    let scope = house.site().await.scope("2026-03-02", "2026-03-02");
    let asking = tokio::spawn(async move { reports.totals(&scope, &[Metric::Visits]).await });
    running(&slow, 1).await;
    asking.abort();
    running(&slow, 0).await;
    were_cancelled(&slow, 1).await;
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_report_along() {
    let house = house().await;
    let slow = slow_store().await;
    let site = house.site().await;
    let away = serve(slow.clone(), house.directory.clone(), house.clock.clone(), Rate::Off).await;
    let (key, path) =
        (site.key.clone(), format!("/api/v1/reports/timeseries?metric=visits&website_id={}", site.id));
    let asking = tokio::spawn(async move { away.ask(Method::GET, &path, Some(&key), None).await });
    running(&slow, 1).await;
    asking.abort();
    running(&slow, 0).await;
    were_cancelled(&slow, 1).await;
}

/// A house of its own whose rollup takes a tenth of a second for each of its rows.
async fn slow_house() -> House {
    let house = house_of_its_own().await;
    house
        .client()
        .query_raw(
            "CREATE VIEW site_totals_7 AS
             SELECT generateUUIDv4() AS website_id, toDate('2026-03-02') AS day, false AS is_bot, 1::Int64 AS pageviews
             FROM numbers(1000000)
             WHERE sleepEachRow(0.1) = 0
             SETTINGS max_block_size = 1, max_threads = 1, function_sleep_max_microseconds_per_block = 10000000",
        )
        .execute()
        .await
        .unwrap();
    move_readers(&house, "site_totals", "site_totals_7").await;
    house
}

#[tokio::test]
async fn who_waited_for_the_report_of_somebody_who_left_still_has_one() {
    let house = Arc::new(slow_house().await);
    let slow = house.store.clone();
    let site = house.site().await;
    // Such reports are kept, so the second waits for the first.
    let path = format!("/api/v1/reports/timeseries?period=90d&website_id={}", site.id);
    let ask = || {
        let (house, path, key) = (Arc::clone(&house), path.clone(), site.key.clone());
        tokio::spawn(async move { house.ask(Method::GET, &path, Some(&key), None).await })
    };
    let first = ask();
    running(&slow, 1).await;
    let second = ask();
    first.abort();
    // The second waited for the first, or comes after it; now it asks by itself.
    ended(&slow, 1).await;
    running(&slow, 1).await;
    second.abort();
    running(&slow, 0).await;
    were_cancelled(&slow, 2).await;
}
