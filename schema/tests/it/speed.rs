//! How fast rollups are made from the events; told, and no test.

use std::time::Instant;

use clickhouse::Row;
use schema::maintain::Range;
use schema::migrate;
use schema::rollup::ROLLUPS;
use schema::rollup::change::Silent;
use serde::Deserialize;

use crate::house::{self, maintainer, run};

#[derive(Row, Deserialize)]
struct Cost {
    cpu_seconds: f64,
    seconds: f64,
}

/// `FOOTFALL_TEST_EVENTS` says how many; 2,000,000.
#[tokio::test]
#[ignore = "a measurement: cargo test -p schema --test it speed -- --ignored --nocapture"]
async fn a_month_is_made_again() {
    let events =
        std::env::var("FOOTFALL_TEST_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_000u64);
    let store = house::missing().await;
    migrate::up(&store).await.unwrap();
    let client = store.client();
    client.query(include_str!("speed.sql")).param("rows", events).execute().await.unwrap();
    for rollup in ROLLUPS {
        run(&client, &["TRUNCATE TABLE ", rollup.name, "_0"].concat()).await;
    }
    let other = maintainer(&store, ROLLUPS);
    let mut total = 0.0;
    for rollup in ROLLUPS {
        let began = Instant::now();
        other.rebuild(Some(rollup.name), Range::default(), &mut Silent).await.unwrap();
        let seconds = began.elapsed().as_secs_f64();
        total += seconds;
        run(&client, "SYSTEM FLUSH LOGS").await;
        let cost: Cost = client
            .query(
                "SELECT sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) / 1e6 AS cpu_seconds,
                        sum(query_duration_ms) / 1e3 AS seconds
                 FROM system.query_log WHERE type = 'QueryFinish' AND startsWith(query_id, 'footfall-correct-')
                   AND has(databases, currentDatabase()) AND position(query, {table:String}) > 0",
            )
            .param("table", ["INSERT INTO ", rollup.name, "_0"].concat())
            .fetch_one()
            .await
            .unwrap();
        println!(
            "{:<12} {:>6.2} s: {:>6.2} M events/s; the correction took {:.2} s, and {:.2} s of a processor: {:.2} M events per processor's second",
            rollup.name,
            seconds,
            events as f64 / seconds / 1e6,
            cost.seconds,
            cost.cpu_seconds,
            events as f64 / cost.cpu_seconds / 1e6,
        );
    }
    println!(
        "all {:>6.2} s: {:.2} M events/s through all {} rollups",
        total,
        events as f64 / total / 1e6,
        ROLLUPS.len()
    );
    let findings = other.verify(Range::default(), &mut Silent).await.unwrap();
    assert!(findings.is_clean(), "{findings:#?}");
}
