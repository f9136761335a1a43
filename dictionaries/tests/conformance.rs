//! The channels of the conformance cases.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use dictionaries::{Attribution, channel, is_bot_agent, without_www};
use serde_json::Value;

const CASES: [&str; 4] = ["small", "kolkata", "new-york", "utc"];
const GAP_MS: i64 = 30 * 60 * 1000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/standalone/tests/conformance")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Milliseconds since some day zero of `2026-03-01T05:07:10.000Z`, by the proleptic calendar.
fn milliseconds(timestamp: &str) -> i64 {
    let numbers: Vec<i64> =
        timestamp.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, hour, minute, second, ms] = numbers[..] else { panic!("{timestamp}") };
    // March is the first month, so that a leap day is the last of its year.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms
}

/// The first event of each counted session: the visits of the case.
fn visits(case: &Path) -> Vec<Value> {
    let site: Value = serde_json::from_str(&read(&case.join("site.json"))).expect("a site is JSON");
    let excluded = site["excluded_ips"].as_array().expect("excluded addresses are a list");
    let mut live: HashMap<(String, String), i64> = HashMap::new();
    let mut visits = Vec::new();
    for line in read(&case.join("events.ndjson")).lines() {
        let event: Value = serde_json::from_str(line).expect("an event is JSON");
        if excluded.contains(&event["ip"]) || is_bot_agent(text(&event, "user_agent")).is_some() {
            continue;
        }
        let person = (text(&event, "ip").to_owned(), text(&event, "user_agent").to_owned());
        let now = milliseconds(text(&event, "timestamp"));
        let continues = live.get(&person).is_some_and(|last| now - last <= GAP_MS);
        let starts = !matches!(
            text(&event, "event_type"),
            "close_tab" | "scroll_25" | "scroll_50" | "scroll_75" | "outbound_link"
        );
        if continues || starts {
            live.insert(person, now);
        }
        if !continues && starts {
            visits.push(event);
        }
    }
    visits
}

fn host(event: &Value) -> Option<&str> {
    text(event, "referrer").split('/').nth(2)
}

/// The rows of a whole-range sources report, by the value of `key`.
fn expected(case: &Path, group_by: Option<&str>, key: &str) -> BTreeMap<String, u64> {
    let reports: Value = serde_json::from_str(&read(&case.join("expected.json"))).expect("reports are JSON");
    let report = reports
        .as_array()
        .expect("reports are a list")
        .iter()
        .find(|report| {
            let query = text(report, "report");
            query.starts_with("sources?")
                && group_by.map_or(!query.contains("group_by"), |group| {
                    query.ends_with(&format!("group_by={group}"))
                })
        })
        .expect("there is such a report");
    report["data"]["rows"]
        .as_array()
        .expect("rows are a list")
        .iter()
        .map(|row| (text(row, key).to_owned(), row["visits"].as_u64().expect("visits are a count")))
        .collect()
}

fn counted(keys: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    keys.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_default() += 1;
        counts
    })
}

#[test]
fn visits_by_channel_are_the_expected_ones() {
    let folder = folder();
    for case in CASES {
        let case = folder.join(case);
        let visits = visits(&case);
        let channels = visits.iter().map(|event| {
            channel(Attribution {
                referrer: host(event),
                utm_source: text(event, "utm_source"),
                utm_medium: text(event, "utm_medium"),
                click_id: None,
            })
            .to_string()
        });
        assert_eq!(counted(channels), expected(&case, None, "channel"), "{}", case.display());
    }
}

#[test]
fn visits_by_domain_are_the_expected_ones() {
    let folder = folder();
    for case in CASES {
        let case = folder.join(case);
        let visits = visits(&case);
        let domains = visits.iter().filter_map(host).map(|host| without_www(host).to_owned());
        assert_eq!(counted(domains), expected(&case, Some("domain"), "referrer"), "{}", case.display());
    }
}
