//! What the operator sees of a way in that works.

use std::time::Duration;

use bytes::Bytes;
use directory::NewWebsite;
use ingest::load::LoadConfig;
use ingest::stream::Record;
use ingest::telemetry;
use service::Stop;
use service::config::Rate;
use service::operator::Operator;

use crate::house::{Ground, House, Person, ann, store_of_its_own};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_happens_is_counted_and_nobody_is_told_of() {
    let stop = Stop::new();
    let operator = Operator::open("127.0.0.1:0".parse().unwrap(), &stop).await.unwrap();
    telemetry::describe();
    let base = format!("http://{}", operator.address().unwrap());
    let get = async |path: &str| reqwest::get(format!("{base}{path}")).await.unwrap();
    assert_eq!(get("/ready").await.status(), 503);

    let ground = Ground::journal();
    let house = House::open(store_of_its_own().await, ground.stream().await, Rate::Off).await;
    operator.watch(
        telemetry::needs(house.store.client(), house.stream.clone()),
        vec![house.directory.probe(), telemetry::probe(house.stream.clone())],
    );
    assert_eq!(get("/ready").await.status(), 200);
    let _watching = tokio::spawn(telemetry::watch_lag(house.stream.clone(), stop.clone()));

    let site = house.site().await;
    let loading = house.load(LoadConfig { linger: Duration::from_millis(5), ..LoadConfig::default() });
    let bot = Person { address: "203.0.113.99".into(), agent: "Googlebot/2.1" };
    assert_eq!(house.send(&ann(), &site.view("/secret-path")).await, 202);
    assert_eq!(house.send(&bot, &site.view("/secret-path")).await, 204);
    assert_eq!(house.collect(&ann(), "{").send().await.unwrap().status(), 400);
    let hearing = house.site_with(NewWebsite { respect_dnt: true, ..NewWebsite::default() }).await;
    let asking = house.collect(&ann(), hearing.view("/secret-path").to_string()).header("dnt", "1");
    assert_eq!(asking.send().await.unwrap().status(), 204);
    site.import_all(&[site.view("/secret-path"), site.view("/secret-path")]).await;
    site.import("no json\n").await;
    let nothing = Record { partition: 0, payload: Bytes::from_static(b"\xff") };
    house.stream.append(vec![nothing]).await.remove(0).unwrap();
    house.settle().await;

    let metrics = get("/metrics").await.text().await.unwrap();
    // Other tests of this process count too, so the numbers are not compared.
    for expected in [
        r#"footfall_events_received_total{surface="tinytrail"} "#,
        r#"footfall_events_received_total{surface="import"} "#,
        "footfall_events_accepted_total ",
        r#"footfall_events_flagged_total{kind="bot",reason="Googlebot"} "#,
        r#"footfall_events_refused_total{surface="tinytrail",reason="invalid"} "#,
        r#"footfall_events_refused_total{surface="import",reason="invalid"} "#,
        r#"footfall_events_dropped_total{reason="opted_out"} "#,
        "footfall_stream_appended_records_total ",
        "footfall_stream_appended_bytes_total ",
        "footfall_stream_append_seconds_bucket{le=",
        "footfall_stream_waiting_bytes ",
        "footfall_load_rows_total ",
        r#"footfall_load_dead_letters_total{reason="malformed"} "#,
        "footfall_load_batch_rows_bucket{le=",
        r#"footfall_load_insert_seconds_bucket{table="events",le="#,
        r#"footfall_load_live_sessions{partition="0"} "#,
        r#"footfall_load_live_days{partition="0"} "#,
        r#"footfall_load_lag_records{partition="0"} "#,
        "footfall_directory_age_seconds ",
        r#"footfall_http_requests_total{route="/api/v1/collect",method="POST",status="2xx"} "#,
        "# HELP footfall_load_lag_records ",
    ] {
        assert!(metrics.contains(expected), "{expected} is not in\n{metrics}");
    }
    for secret in ["secret-path", "203.0.113", &site.key, &site.id.to_string(), "example.com"] {
        assert!(!metrics.contains(secret), "{secret} is in\n{metrics}");
    }
    loading.stop().await;
    stop.cancel();
}
