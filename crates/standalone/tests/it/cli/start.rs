//! How a start is refused, how a house ends, and what it leaves on the disk and in the log.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::json;

use super::process::{ADMIN_KEY, Folder};
use crate::house::FIREFOX;

/// How long an orderly end may take.
const IN_ORDER: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_data_folder_has_one_footfall_at_a_time() {
    let folder = Folder::new().await;
    let first = folder.serve_openly();
    let data = folder.data();
    let refusals = [folder.run(&["serve", "--port", "0"], &[]), folder.run(&["migrate", "status"], &[])];
    if folder.is_embedded() {
        for refused in refusals {
            refused.assert_failed_with(&[data.to_str().unwrap(), "in use", &format!("pid {}", first.pid())]);
        }
    } else {
        refusals[0].assert_failed_with(&[data.to_str().unwrap(), "in use"]);
    }
    // The first one was not disturbed.
    let website = first.website();
    assert!(first.summary(ADMIN_KEY, &website, "period=today", "visits").await.abs() < 0.1);
}

#[tokio::test]
async fn a_port_in_use_is_named_before_anything_is_started() {
    let folder = Folder::new().await;
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = folder.run(&["serve", "--port", &port], &[]);
    refused.assert_failed_with(&[&format!("port {port}"), "--port"]);
    assert!(!folder.data().join("clickhouse").exists());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new().await;
    let file = folder.file("occupied", "");
    folder.run(&["serve", "--port", "0", "--data", &file], &[]).assert_failed_with(&[&file]);
}

#[tokio::test]
async fn port_and_folder_may_come_from_the_environment_and_serve_is_the_default() {
    let folder = Folder::new().await;
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // The settings of the server stand in the environment of every command.
    let settings = [("FOOTFALL_PORT", port.as_str())];
    folder.run(&[], &settings).assert_failed_with(&[&format!("port {port}")]);
    folder.run(&["serve"], &settings).assert_failed_with(&[&format!("port {port}")]);
    folder.run(&["migrate", "up"], &settings).succeeded();
    assert!(folder.data().join("clickhouse").exists() || !folder.is_embedded());
}

#[tokio::test]
async fn sigterm_ends_it_in_order_and_keeps_what_was_accepted() {
    let folder = Folder::new().await;
    let server = folder.serve_openly();
    let website = server.website();
    // A client that keeps its connection open must not hold up the end.
    let client = Client::new();
    let body =
        json!({ "website_id": website, "event_type": "page_view", "url": "https://a.example/", "path": "/" });
    let collect = format!("{}/api/v1/collect", server.url());
    let sent = client.post(&collect).header("user-agent", FIREFOX).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);

    let (status, log) = server.terminate(IN_ORDER);
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(folder.engines(), Vec::<u32>::new(), "no engine is left");
    assert!(!log.contains(" ERROR ") && !log.contains("panicked"), "{log}");
    drop(client);

    let server = folder.serve_openly();
    server.settle(ADMIN_KEY, &website).await;
    let views = server.summary(ADMIN_KEY, &website, "period=7d", "pageviews").await;
    assert!((views - 1.0).abs() < 0.1, "{views}");
}

#[tokio::test]
async fn the_master_key_is_for_its_owner_only_and_stays_the_same() {
    let folder = Folder::new().await;
    drop(folder.serve_openly());
    let path = folder.data().join("master.key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = std::fs::read(&path).unwrap();
    drop(folder.serve_openly());
    assert_eq!(std::fs::read(&path).unwrap(), key);

    std::fs::write(&path, "rubbish").unwrap();
    let refused = folder.run(&["serve", "--port", "0"], &[]);
    refused.assert_failed_with(&["master.key", "does not hold a master key"]);
    assert!(!refused.err.contains("rubbish"), "{refused:?}");
}

#[tokio::test]
async fn another_master_key_than_the_datas_is_refused_by_the_settings_name() {
    let folder = Folder::new().await;
    let (status, log) = folder.serve_openly().terminate(IN_ORDER);
    assert!(status.success(), "{log}");
    let other = "ab".repeat(32);
    let refused = folder.run(&["serve", "--port", "0"], &[("FOOTFALL_MASTER_KEY", &other)]);
    refused.assert_failed_with(&["FOOTFALL_MASTER_KEY", "is not the key that this database was made with"]);
    assert!(!refused.err.contains(&other) && refused.out.is_empty(), "{refused:?}");
    assert_eq!(folder.engines(), Vec::<u32>::new(), "no engine is left");
    // The right one opens it again.
    folder.serve_openly();
}

#[tokio::test]
async fn the_log_holds_no_address_and_no_key() {
    let (forwarded, imported, forged) = ("203.0.113.77", "198.51.100.9", "198.51.100.999");
    let folder = Folder::new().await;
    let server = folder.serve(&[
        ("FOOTFALL_LOG", "debug"),
        ("FOOTFALL_COLLECT_LIMIT", "1/60s"),
        ("FOOTFALL_TRUSTED_PROXIES", "127.0.0.0/8"),
    ]);
    let (key, website) = (server.key(), server.website());
    // An address of this machine that nothing else here uses.
    let peer = cfg!(target_os = "linux").then_some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let url = server.url().replace("localhost", "127.0.0.1");
    let client = Client::builder().local_address(peer).user_agent(FIREFOX).build().unwrap();

    let event =
        json!({ "website_id": website, "event_type": "page_view", "url": "https://a.example/", "path": "/" });
    for (body, expected) in [
        (event.to_string(), StatusCode::ACCEPTED),
        (event.to_string(), StatusCode::TOO_MANY_REQUESTS),
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        ("{".to_owned(), StatusCode::TOO_MANY_REQUESTS),
    ] {
        let request = client.post(format!("{url}/api/v1/collect")).header("x-forwarded-for", forwarded);
        assert_eq!(request.body(body).send().await.unwrap().status(), expected);
    }
    let lines = [imported, forged].map(|ip| {
        json!({ "event_type": "page_view", "url": "https://a.example/x", "ip": ip, "user_agent": FIREFOX })
            .to_string()
    });
    for key in [key.as_str(), "tt_not-a-key"] {
        let import = client.post(format!("{url}/api/v1/import?website_id={website}&wait=true"));
        let answer = import.header("x-api-key", key).body(lines.join("\n")).send().await.unwrap();
        let summary = client.get(format!("{url}/api/v1/reports/summary?website_id={website}"));
        let report = summary.header("x-api-key", key).send().await.unwrap();
        assert_eq!(answer.status().is_success(), key.len() > 12);
        assert_eq!(report.status().is_success(), key.len() > 12);
    }
    drop(client);

    let (status, log) = server.terminate(IN_ORDER);
    assert!(status.success(), "{log}");
    assert!(log.contains("A batch was stored."), "it says nothing: {log}");
    for secret in [forwarded, imported, forged, "127.0.0.2", key.as_str(), "tt_not-a-key"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}
