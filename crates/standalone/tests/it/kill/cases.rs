//! The conformance cases, imported all at once into a house that is killed while it takes them and while it loads them,
//! and imported again: the reports are exact.

use std::path::Path;
use std::process::Command;

use schema::store::StoreUrl;

use super::brokers::Brokers;
use super::fuse::fuse;
use super::store::Store;
use crate::cli::process::{ADMIN_KEY, Folder, PATIENCE, Running, Server};
use crate::conformance::{assert_reports, case, site_of};
use crate::house::{Site, TestHouse};

/// A case's name and its website.
type Case = (&'static str, Site);

fn import(folder: &Folder, url: &str, (name, site): &Case) -> Running {
    let events = case(name, "events.ndjson");
    let args = ["import", events.to_str().unwrap(), "--website", &site.id, "--format", "ndjson"];
    let mut command: Command = folder.command(&args);
    Running::start(command.env("FOOTFALL_SERVER", url).env("FOOTFALL_KEY", ADMIN_KEY))
}

/// The house as the conformance tests see it.
fn seen(folder: &Folder, server: &Server) -> TestHouse {
    let store_url = folder.store_url();
    let store = StoreUrl::parse(&store_url).unwrap();
    TestHouse { url: server.url(), events_url: None, key: ADMIN_KEY.to_owned(), store, store_url }
}

/// `stream`: more settings.
pub async fn assert_cases_survive_kills(stream: &[(&str, &str)]) {
    let folder = Folder::new().await;
    let server = folder.serve_openly_with(stream);
    let house = seen(&folder, &server);
    let mut cases: Vec<Case> = Vec::new();
    for name in ["small", "utc", "new-york", "kolkata"] {
        cases.push((name, site_of(&house, name).await));
    }

    // Killed while the requests come in: most of each file has arrived.
    let wires: Vec<_> = cases
        .iter()
        .map(|(name, _)| fuse(&server.url(), size(&case(name, "events.ndjson")) * 85 / 100))
        .collect();
    let imports: Vec<_> =
        cases.iter().zip(&wires).map(|(case, wire)| import(&folder, &wire.url, case)).collect();
    for wire in &wires {
        wire.blown.recv_timeout(PATIENCE).expect("most of each file was sent");
    }
    server.kill();
    for import in imports {
        import.ended().assert_failed_with(&["run the same import again"]);
    }

    // Killed while it loads, in the midst of an insert and just after one.
    for failpoint in ["mid_insert:2", "after_insert:3"] {
        let server = folder.serve_openly_with(&[stream, &[("FOOTFALL_FAILPOINT", failpoint)]].concat());
        let url = server.url();
        let imports: Vec<_> = cases.iter().map(|case| import(&folder, &url, case)).collect();
        tokio::task::spawn_blocking(move || server.wait_until_it_dies()).await.unwrap();
        for import in imports {
            // One may have been through before.
            import.ended();
        }
    }

    let server = folder.serve_openly_with(stream);
    let house = seen(&folder, &server);
    // And once more, which changes nothing.
    for _ in 0..2 {
        let imports: Vec<_> = cases.iter().map(|case| import(&folder, &server.url(), case)).collect();
        for import in imports {
            import.ended().succeeded();
        }
        for (name, site) in &cases {
            assert_reports(&house, name, site).await;
        }
    }
    Store::of(&folder).assert_rollups_are_recounts().await;
}

fn size(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_cases_are_exact_after_kills() {
    assert_cases_survive_kills(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_cases_are_exact_after_kills_on_kafka() {
    assert_cases_survive_kills(&Brokers::mock(3).settings()).await;
}
