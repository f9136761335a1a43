//! An import that is cut off in its midst, by the death of the house or its own, is run again and counts once.

use std::fmt::Write as _;
use std::process::Command;

use reqwest::Method;
use serde_json::json;

use super::fuse::fuse;
use crate::cli::process::{ADMIN_KEY, Folder, PATIENCE, Running, Server};
use crate::house::FIREFOX;

const VISITORS: i64 = 3_000;

/// Monday, 2024-05-06, 09:00 UTC.
const MORNING: i64 = 1_714_986_000_000;

/// 3,000 visitors with ten page views each: nine within eight minutes, and one 40 minutes after those.
fn events() -> String {
    let mut views: Vec<(i64, i64)> = Vec::new();
    for visitor in 0..VISITORS {
        views.extend((0..10).map(|view| {
            let minutes = if view == 9 { 48 } else { view };
            (MORNING + visitor * 4_000 + minutes * 60_000, visitor)
        }));
    }
    views.sort_unstable();
    let mut text = String::new();
    for (time, visitor) in views {
        let event = json!({
            "event_type": "page_view", "timestamp": time, "url": format!("https://import.example/{}", time % 7),
            "ip": format!("10.1.{}.{}", visitor / 250, visitor % 250 + 1), "user_agent": FIREFOX,
        });
        writeln!(text, "{event}").unwrap();
    }
    text
}

/// What the definitions make of them, counted by hand.
async fn assert_counted_once(server: &Server, website: &str) {
    for (metric, expected) in [
        ("pageviews", 30_000.0),
        ("visits", 6_000.0),
        ("unique_visitors", 3_000.0),
        ("bounce_rate", 50.0),
        ("avg_session_duration_sec", 240.0),
    ] {
        let value = server.summary(ADMIN_KEY, website, "period=all", metric).await;
        assert!((value - expected).abs() < 0.01, "{metric} is {value} instead of {expected}");
    }
    let pages = server.report(ADMIN_KEY, website, "pages?period=all").await;
    let views = pages["rows"].as_array().unwrap().iter().map(|row| row["pageviews"].as_u64().unwrap());
    assert_eq!(views.sum::<u64>(), 30_000);
}

/// Some of the file is in the store, and not all of it.
async fn assert_interrupted(server: &Server, website: &str) {
    server.settle(ADMIN_KEY, website).await;
    let views = server.summary(ADMIN_KEY, website, "period=all", "pageviews").await;
    assert!((1.0..30_000.0).contains(&views), "{views} of 30000 before it was interrupted");
}

fn import_again(folder: &Folder, server: &Server, file: &str) {
    let said = Running::start(&mut import(folder, &server.url(), file)).ended().succeeded();
    let stored = said.lines().find(|line| line.contains("stored")).unwrap_or_default();
    assert!(stored.contains("30,000 events"), "{said}");
}

fn import(folder: &Folder, url: &str, file: &str) -> Command {
    let mut command = folder.command(&["import", file, "--website", "import.example", "--format", "ndjson"]);
    command.env("FOOTFALL_SERVER", url).env("FOOTFALL_KEY", ADMIN_KEY);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_house_was_killed_counts_once_when_it_is_run_again() {
    let folder = Folder::new().await;
    let server = folder.serve_openly();
    let website = server.add_website(ADMIN_KEY, "import.example", "UTC").await;
    let text = events();
    let file = folder.file("events.ndjson", &text);

    let wire = fuse(&server.url(), text.len() as u64 / 2);
    let import = Running::start(&mut import(&folder, &wire.url, &file));
    wire.blown.recv_timeout(PATIENCE).expect("half of the file was sent");
    server.kill();
    import.ended().assert_failed_with(&["broke off", "run the same import again", "once"]);

    let server = folder.serve_openly();
    assert_interrupted(&server, &website).await;
    import_again(&folder, &server, &file);
    assert_counted_once(&server, &website).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_counts_once_when_it_is_run_again() {
    let folder = Folder::new().await;
    let server = folder.serve_openly();
    let website = server.add_website(ADMIN_KEY, "import.example", "UTC").await;
    let text = events();
    let file = folder.file("events.ndjson", &text);

    // Twice, at another place each time.
    for part in [3, 2] {
        let wire = fuse(&server.url(), text.len() as u64 / part);
        let import = Running::start(&mut import(&folder, &wire.url, &file));
        wire.blown.recv_timeout(PATIENCE).expect("a part of the file was sent");
        // Killed and reaped.
        drop(import);
        assert_interrupted(&server, &website).await;
    }
    import_again(&folder, &server, &file);
    assert_counted_once(&server, &website).await;
    // And the house never noticed.
    let (status, answer) = server.ask(ADMIN_KEY, Method::GET, "/api/v1/websites", None).await;
    assert!(status.is_success(), "{answer}");
}
