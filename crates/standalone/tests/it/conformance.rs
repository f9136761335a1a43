//! The conformance cases: real inputs, imported by `footfall import`, with exact expected reports.

use std::path::{Path, PathBuf};

use rdkafka::mocking::MockCluster;
use serde_json::Value;

use crate::house::{Site, TestHouse, house};
use crate::kill::loader::{Loader, STORED};

/// A case's file, copied into the project.
pub fn case(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(name).join(file)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Runs the real binary against the house of the tests.
pub fn footfall(args: &[&str]) -> String {
    footfall_at(house(), args)
}

/// Runs the real binary against a house.
pub fn footfall_at(house: &TestHouse, args: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_footfall"))
        .args(args)
        .env("FOOTFALL_SERVER", &house.url)
        .env("FOOTFALL_KEY", &house.key)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Numbers compare as numbers: 44 is 44.0.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

pub async fn site_of(house: &TestHouse, case_name: &str) -> Site {
    let mut settings = read(&case(case_name, "site.json"));
    // Each test owns its website; the cases' domains appear in no report of these.
    settings.as_object_mut().unwrap().remove("domain");
    house.website(settings).await
}

/// The smallest table that has all that a report is about.
fn source_of(query: &str) -> &'static str {
    let (name, query) = query.split_once('?').unwrap();
    let asks = |part: &str| query.split('&').any(|given| given.split('=').next() == Some(part));
    let of_pages = asks("path")
        || query.contains("metric=landing_page_entries")
        || query.contains("metric=exit_page_exits");
    match name {
        "summary" if asks("content_group") => "events",
        "timeseries" if of_pages => "rollup:pages",
        "summary" | "timeseries" => "rollup:site_totals",
        "pages" | "flow" => "rollup:pages",
        "sources" => "rollup:sources",
        "devices" => "rollup:devices",
        "custom-events" => "rollup:event_types",
        "funnel" => "events",
        _ => panic!("{name} is no report of the cases"),
    }
}

/// Every report of a case, from the rollups and from the events.
pub async fn assert_reports(house: &TestHouse, case_name: &str, site: &Site) {
    let expected = read(&case(case_name, "expected.json"));
    let expected = expected.as_array().unwrap();
    for expected in expected {
        let query = expected["report"].as_str().unwrap();
        let sources = [source_of(query), "events"];
        for ((data, source), from) in house.report_both_ways(site, query).await.into_iter().zip(sources) {
            assert_eq!(source, from, "{query}");
            assert!(
                same(&data, &expected["data"]),
                "{query} from {source}\n     got {data}\nexpected {}",
                expected["data"]
            );
        }
    }
    assert!(expected.len() >= 38, "{} reports were checked", expected.len());
}

async fn assert_case(name: &str) {
    let site = site_of(house(), name).await;
    let events = case(name, "events.ndjson");
    let args = ["import", events.to_str().unwrap(), "--website", &site.id, "--format", "ndjson"];
    footfall(&args);
    assert_reports(house(), name, &site).await;
    // The same file again, as after an interruption: nothing counts twice.
    footfall(&args);
    assert_reports(house(), name, &site).await;
}

#[tokio::test]
async fn the_small_case_is_exact() {
    assert_case("small").await;
}

#[tokio::test]
async fn the_utc_case_is_exact() {
    assert_case("utc").await;
}

#[tokio::test]
async fn the_new_york_case_is_exact() {
    assert_case("new-york").await;
}

#[tokio::test]
async fn the_kolkata_case_is_exact() {
    assert_case("kolkata").await;
}

#[tokio::test]
async fn many_imports_make_the_same_sessions_as_one() {
    let site = site_of(house(), "small").await;
    let text = std::fs::read_to_string(case("small", "events.ndjson")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let folder = tempfile::tempdir().unwrap();
    for (number, chunk) in lines.chunks(11).enumerate() {
        let part = folder.path().join(format!("{number}.ndjson"));
        std::fs::write(&part, chunk.join("\n")).unwrap();
        footfall(&["import", part.to_str().unwrap(), "--website", &site.domain, "--format", "ndjson"]);
    }
    assert_reports(house(), "small", &site).await;
}

/// All four cases at once, each into a website of its own, into a house with so many partitions.
async fn assert_cases_at_once(partitions: u32) {
    import_cases_at_once(&TestHouse::open(partitions)).await;
}

/// Imports all four cases at once and checks their reports. The cases and their websites.
pub async fn import_cases_at_once(house: &TestHouse) -> Vec<(&'static str, Site)> {
    let mut imports = Vec::new();
    for name in ["small", "utc", "new-york", "kolkata"] {
        let site = site_of(house, name).await;
        let import = importing(house, name, &site);
        imports.push((name, site, import));
    }
    let mut cases = Vec::new();
    for (name, site, import) in imports {
        import.await.unwrap();
        assert_reports(house, name, &site).await;
        cases.push((name, site));
    }
    cases
}

/// Imports a case beside what else is done.
fn importing(house: &TestHouse, name: &'static str, site: &Site) -> tokio::task::JoinHandle<()> {
    let (house, id) = (house.clone(), site.id.clone());
    tokio::task::spawn_blocking(move || {
        let events = case(name, "events.ndjson");
        footfall_at(&house, &["import", events.to_str().unwrap(), "--website", &id, "--format", "ndjson"]);
    })
}

/// All four cases at once from Kafka, loaded by the house and perhaps by a second loader in the same group.
async fn assert_cases_from_kafka(partitions: u32, loaders: u32) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", partitions.cast_signed(), 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let house = TestHouse::open_on(partitions, Some(brokers.clone()));
    let second = (loaders == 2).then(|| Loader::start(&house.store_url, &[("FOOTFALL_KAFKA", &brokers)]));
    if let Some(second) = &second {
        // A group gives one partition to one loader; of more than one the second gets some.
        let ready = if partitions > 1 { "Partitions were assigned" } else { "The loader runs." };
        second.has_logged(ready).await;
    }
    import_cases_at_once(&house).await;
    if let Some(second) = second {
        assert!(partitions == 1 || second.log().contains(STORED), "it had no work: {}", second.log());
        second.terminate().await;
    }
}

#[tokio::test]
async fn one_partition_makes_the_same_sessions() {
    assert_cases_at_once(1).await;
}

#[tokio::test]
async fn three_partitions_make_the_same_sessions() {
    assert_cases_at_once(3).await;
}

#[tokio::test]
async fn eight_partitions_make_the_same_sessions() {
    assert_cases_at_once(8).await;
}

#[tokio::test]
async fn one_partition_of_kafka_makes_the_same_sessions() {
    assert_cases_from_kafka(1, 1).await;
}

#[tokio::test]
async fn three_partitions_of_kafka_make_the_same_sessions() {
    assert_cases_from_kafka(3, 1).await;
}

#[tokio::test]
async fn eight_partitions_of_kafka_make_the_same_sessions() {
    assert_cases_from_kafka(8, 1).await;
}

#[tokio::test]
async fn two_loaders_of_one_partition_make_the_same_sessions() {
    assert_cases_from_kafka(1, 2).await;
}

#[tokio::test]
async fn two_loaders_of_three_partitions_make_the_same_sessions() {
    assert_cases_from_kafka(3, 2).await;
}

#[tokio::test]
async fn two_loaders_of_eight_partitions_make_the_same_sessions() {
    assert_cases_from_kafka(8, 2).await;
}

#[tokio::test]
async fn two_imports_of_the_same_people_into_two_websites_at_once_disturb_neither() {
    let house = house();
    let sites = [site_of(house, "utc").await, site_of(house, "utc").await];
    let imports = [importing(house, "utc", &sites[0]), importing(house, "utc", &sites[1])];
    for import in imports {
        import.await.unwrap();
    }
    for site in &sites {
        assert_reports(house, "utc", site).await;
    }
}
