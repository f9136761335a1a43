//! Who leaves takes the query along.

use std::time::Duration;

use query_api::report::sql::Limits;
use query_api::report::{Metric, Prefer, Reports};
use reqwest::Method;
use schema::store::StoreUrl;
use service::config::Rate;
use uuid::Uuid;

use crate::house::{House, house, serve, store};

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

/// Waits until so many queries run on a store.
async fn running(house: &House, slow: &StoreUrl, count: u64) {
    let database: String = slow.client().query("SELECT currentDatabase()").fetch_one().await.unwrap();
    for _ in 0..600 {
        let now: u64 = house
            .client()
            .query("SELECT count() FROM system.processes WHERE current_database = ?")
            .bind(&database)
            .fetch_one()
            .await
            .unwrap();
        if now == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there were never {count} queries");
}

#[tokio::test]
async fn a_report_that_is_dropped_is_not_counted_on() {
    let house = house().await;
    let slow = slow_store().await;
    let limits = Limits { seconds: 1000, ..Limits::default() };
    let reports = Reports::new(&slow, house.clock.clone()).limited(&slow, limits).prefer(Prefer::EventsOnly);
    let scope = house.site().await.scope("2026-03-02", "2026-03-02");
    let asking = tokio::spawn(async move { reports.totals(&scope, &[Metric::Visits]).await });
    running(&house, &slow, 1).await;
    asking.abort();
    running(&house, &slow, 0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_report_along() {
    let house = house().await;
    let slow = slow_store().await;
    let site = house.site().await;
    let away = serve(slow.clone(), house.directory.clone(), house.clock.clone(), Rate::Off).await;
    let (key, path) =
        (site.key.clone(), format!("/api/v1/reports/timeseries?metric=visits&website_id={}", site.id));
    // The limit of a report's time would end it too, but not so soon.
    let begun = tokio::time::Instant::now();
    let asking = tokio::spawn(async move { away.ask(Method::GET, &path, Some(&key), None).await });
    running(&house, &slow, 1).await;
    asking.abort();
    running(&house, &slow, 0).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(u64::from(Limits::default().seconds)), "the limit ended it: {took:?}");
}
