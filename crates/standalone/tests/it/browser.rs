//! A visit in a real browser, followed all the way: what the tracker sent is what the stream carried, what the store
//! holds and what the reports count.
//!
//! The browser is driven by the programs in `tests/browser`, which need Node.js and a Chromium.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use chrono::Timelike as _;
use schema::rows::EventRow;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::house::{Site, house};

/// Browsers one after another: several at once on a small machine starve each other.
static TURN: Mutex<()> = Mutex::const_new(());

/// When a program is held to hang. Each of its own waits is far shorter.
const PATIENCE: Duration = Duration::from_mins(8);

/// What `drive.mjs` makes the visitor do: type, name and path of every event, in order.
const VISIT: [(&str, &str, &str); 8] = [
    ("page_view", "", "/"),
    ("scroll_25", "", "/"),
    ("scroll_50", "", "/"),
    ("scroll_75", "", "/"),
    ("custom", "signup_complete", "/"),
    ("page_view", "", "/pricing"),
    ("outbound_link", "", "/pricing"),
    ("close_tab", "", "/pricing"),
];

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn assert_browser() {
    let named = std::env::var("FOOTFALL_CHROMIUM").ok().filter(|path| !path.is_empty());
    let path = named.as_deref().unwrap_or("/usr/bin/chromium");
    assert!(
        Path::new(path).is_file(),
        "There is no Chromium at {path}: scripts/test installs it, or let FOOTFALL_CHROMIUM name one."
    );
}

/// Runs a program in a folder to its end; it must succeed.
async fn run(folder: &Path, program: &str, args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.args(args).envs(environment.iter().copied()).current_dir(folder);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = ended
        .unwrap_or_else(|_| panic!("`{program} {}` did not end", args.join(" ")))
        .unwrap_or_else(|error| panic!("`{program}` could not be run ({error}): scripts/test installs it."));
    assert!(
        output.status.success(),
        "`{program} {}` failed:\n{}\n{}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    output
}

/// Installs the packages that a folder's lock file names: once, also when several test runs begin together.
async fn install(folder: &Path) {
    let wanted = std::fs::read(folder.join("package-lock.json")).unwrap();
    let lock = File::open(folder.join("package-lock.json")).unwrap();
    let _held = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await.unwrap().unwrap();
    let installed = folder.join("node_modules/.installed");
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return;
    }
    run(folder, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], &[]).await;
    // Last, so that an installation that was interrupted is not taken for one.
    std::fs::write(installed, wanted).unwrap();
}

/// Sends a browser through the visit; the events that the collector took, as the browser sent them.
async fn visit(site: &Site) -> Vec<Value> {
    assert_browser();
    let folder = folder("tests/browser");
    install(&folder).await;
    let environment = [("FOOTFALL_URL", house().url.as_str()), ("FOOTFALL_WEBSITE", site.id.as_str())];
    let output = run(&folder, "node", &["drive.mjs"], &environment).await;
    let mut requests: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let done = requests.pop().unwrap();
    assert_eq!((&done["done"], &done["requests"]), (&json!(true), &json!(requests.len())), "{done}");
    // A request that was put off came again under the same id.
    requests.retain(|request| request["status"] == json!(202));
    requests.into_iter().map(|mut request| request["body"].take()).collect()
}

/// A website's rows in the order of the stream.
async fn stored(site: &Site) -> Vec<EventRow> {
    let rows: Vec<EventRow> = house()
        .store
        .client()
        .query("SELECT ?fields FROM events WHERE website_id = ? ORDER BY kafka_partition, kafka_offset")
        .bind(site.id.as_str())
        .fetch_all()
        .await
        .unwrap();
    assert!(
        rows.iter().all(|row| row.kafka_partition == rows[0].kafka_partition),
        "one person's events are in one partition"
    );
    assert!(rows.is_sorted_by_key(|row| row.time), "the order of the stream is the order of time");
    rows
}

/// A time zone in which it is about noon: the visit is not to run into the next day.
fn noon() -> String {
    // These names count westwards: five hours behind UTC is `Etc/GMT+5`.
    format!("Etc/GMT{:+}", chrono::Utc::now().hour() as i32 - 12)
}

/// The id under which a caller's event id is stored.
fn key_of(event_id: &Value) -> Uuid {
    Uuid::from_slice(&Sha256::digest(event_id.as_str().unwrap())[..16]).unwrap()
}

#[tokio::test]
async fn a_visit_is_stored_as_the_browser_sent_it_and_reported_as_it_is_stored() {
    let _turn = TURN.lock().await;
    let site = house()
        .website(json!({
            "timezone": noon(),
            "content_groups": [{ "name": "Offers", "pattern": "/pricing*" }],
        }))
        .await;
    let sent = visit(&site).await;
    house().settle(&site).await;
    let rows = stored(&site).await;

    assert_each_event_is_there_once_and_in_order(&sent, &rows);
    assert_the_visitor_was_recognised(&rows);
    assert_the_events_are_one_visit(&rows);
    assert_the_reports_count_what_is_stored(&site, &rows).await;
}

fn assert_each_event_is_there_once_and_in_order(sent: &[Value], rows: &[EventRow]) {
    let facts: Vec<_> = rows
        .iter()
        .map(|row| (row.event_type.as_str(), row.event_name.as_str(), row.path.as_str()))
        .collect();
    assert_eq!(facts, VISIT);
    assert_eq!(sent.len(), rows.len());
    for (sent, row) in sent.iter().zip(rows) {
        assert_eq!(row.event_id, key_of(&sent["event_id"]), "{sent}");
        assert_eq!(sent["event_type"], row.event_type.as_str());
        assert_eq!(sent["event_name"].as_str().unwrap_or_default(), row.event_name);
        assert_eq!(sent["path"], row.path.as_str());
        let properties = match row.properties.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap(),
        };
        assert_eq!(sent["properties"], properties);
        assert_eq!(row.hostname, "127.0.0.1");
        assert_eq!(row.content_group, if row.path == "/pricing" { "Offers" } else { "" });
        assert_eq!(row.received_after_ms, 0, "a browser's clock is not asked");
    }

    let properties = |at: usize| serde_json::from_str::<Value>(&rows[at].properties).unwrap();
    assert_eq!(properties(4), json!({ "name": "signup_complete", "plan": "pro", "source": "pricing_page" }));
    let link = properties(6)["url"].as_str().unwrap().to_owned();
    assert!(link.starts_with("http://localhost:") && link.ends_with("/partner?ref=shop"), "{link}");
    assert!(rows.iter().enumerate().all(|(at, row)| at == 4 || at == 6 || row.properties.is_empty()));
}

fn assert_the_visitor_was_recognised(rows: &[EventRow]) {
    for row in rows {
        assert_eq!(
            [&*row.device_type, &row.browser, &row.os, &row.screen, &row.language],
            ["desktop", "Chrome", "Linux", "1025-1440", "en"]
        );
        // The visit's source is its first page's, also on the page whose referrer is the site itself.
        assert_eq!([&*row.referrer, &row.channel], ["", "Email"]);
        assert_eq!(
            [&*row.utm_source, &row.utm_medium, &row.utm_campaign, &row.utm_term, &row.utm_content],
            ["newsletter", "email", "", "", ""]
        );
        assert_eq!([&*row.country, &row.region, &row.city], ["", "", ""], "a loopback address is nowhere");
        assert!(!row.is_bot && row.bot_reason.is_empty() && !row.is_excluded && !row.is_identified);
    }
}

fn assert_the_events_are_one_visit(rows: &[EventRow]) {
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    assert!(first.visitor_id != 0 && first.session_id != 0);
    for row in rows {
        assert_eq!((row.visitor_id, row.session_id), (first.visitor_id, first.session_id));
        assert_eq!((row.session_start, row.session_day, row.day), (first.time, first.day, first.day));
        assert_eq!(row.entry_path, "/");
    }
    assert_eq!(column(rows, |row| row.visits), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(column(rows, |row| row.visitors), [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(column(rows, |row| row.unique_pageview), [1, 0, 0, 0, 0, 1, 0, 0]);
    // One page makes a bounce, until the visitor does something.
    assert_eq!(column(rows, |row| row.bounces), [1, 0, 0, 0, -1, 0, 0, 0]);
    // The exit moves from / to /pricing.
    assert_eq!(column(rows, |row| row.prev_path.as_str()), ["", "", "", "", "", "/", "", ""]);
    for duration in [duration_ms(rows), rows.iter().map(|row| row.duration_ms + row.entry_lead_ms).sum()] {
        assert_eq!(duration, last.time - first.time);
    }
}

fn column<'a, T>(rows: &'a [EventRow], of: impl Fn(&'a EventRow) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

fn duration_ms(rows: &[EventRow]) -> i64 {
    rows.iter().map(|row| row.duration_ms).sum()
}

async fn assert_the_reports_count_what_is_stored(site: &Site, rows: &[EventRow]) {
    let summary = house().report(site, "summary?period=today").await;
    let seconds = (duration_ms(rows) + 500) / 1000;
    for (metric, value) in [
        ("visits", 1),
        ("unique_visitors", 1),
        ("pageviews", 2),
        ("bounce_rate", 0),
        ("avg_session_duration_sec", seconds),
    ] {
        assert_eq!(summary["metrics"][metric]["value"].as_f64(), Some(value as f64), "{metric} in {summary}");
    }
    let pages = house().report(site, "pages?period=today").await;
    assert_eq!(
        pages["rows"],
        json!([
            { "path": "/", "contentGroup": null, "pageviews": 1, "uniquePageviews": 1 },
            { "path": "/pricing", "contentGroup": "Offers", "pageviews": 1, "uniquePageviews": 1 },
        ])
    );
}

#[tokio::test]
async fn the_tracker_passes_its_own_tests_in_the_browser() {
    let _turn = TURN.lock().await;
    assert_browser();
    let folder = folder("tests/browser");
    install(&folder).await;
    let output = run(&folder, "node", &["--test", "--test-concurrency=1", "--test-reporter=tap"], &[]).await;
    let told = String::from_utf8(output.stdout).unwrap();
    let passed = told.lines().find_map(|line| line.split_once("pass ")?.1.parse::<u32>().ok());
    // No file found would be a success, too.
    assert!(passed.is_some_and(|passed| passed >= 40), "{told}");
}

#[tokio::test]
async fn the_tracker_that_is_served_is_what_its_source_makes() {
    let folder = folder("../../ingest/tracker");
    install(&folder).await;
    run(&folder, "node", &["build", "--check"], &[]).await;
}
