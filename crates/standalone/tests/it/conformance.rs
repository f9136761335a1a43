//! The conformance cases: real inputs, imported by `footfall import`, with exact expected reports.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::house::{Site, TestHouse, house};

/// A case's file, copied into the project.
fn case(name: &str, file: &str) -> PathBuf {
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
fn footfall_at(house: &TestHouse, args: &[&str]) -> String {
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

async fn site_of(house: &TestHouse, case_name: &str) -> Site {
    let mut settings = read(&case(case_name, "site.json"));
    // Each test owns its website; the cases' domains appear in no report of these.
    settings.as_object_mut().unwrap().remove("domain");
    house.website(settings).await
}

async fn assert_reports(house: &TestHouse, case_name: &str, site: &Site) {
    let mut checked = 0;
    for expected in read(&case(case_name, "expected.json")).as_array().unwrap() {
        let query = expected["report"].as_str().unwrap();
        if !query.starts_with("summary") && !query.starts_with("pages") {
            continue;
        }
        let data = house.report(site, query).await;
        assert!(same(&data, &expected["data"]), "{query}\n     got {data}\nexpected {}", expected["data"]);
        checked += 1;
    }
    assert!(checked >= 7, "{checked} reports were checked");
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
    let house = TestHouse::open(partitions);
    let mut imports = Vec::new();
    for name in ["small", "utc", "new-york", "kolkata"] {
        let site = site_of(&house, name).await;
        let (house, id) = (house.clone(), site.id.clone());
        let import = tokio::task::spawn_blocking(move || {
            let events = case(name, "events.ndjson");
            footfall_at(
                &house,
                &["import", events.to_str().unwrap(), "--website", &id, "--format", "ndjson"],
            );
        });
        imports.push((name, site, import));
    }
    for (name, site, import) in imports {
        import.await.unwrap();
        assert_reports(&house, name, &site).await;
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
