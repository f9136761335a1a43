//! An address appears nowhere: a canary in everything that can be sent is in nothing that is kept.
//!
//! The places are ClickHouse's tables and files, the journal's files or Kafka's records, the whole log at its most
//! talkative, the metrics and whatever was written to a temporary folder. To see that each search finds what is there,
//! a decoy is sent along: an address that is none of its request's own, and therefore stays.

use std::path::Path;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use reqwest::Client;
use serde_json::json;

use crate::cli::process::{ADMIN_KEY, Folder, PATIENCE, Server};
use crate::house::FIREFOX;
use search::Canary;
use send::Visitor;

mod search;
mod send;

const PARTITIONS: i32 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_appears_nowhere_around_the_journal() {
    assert_kept_nowhere(&[("FOOTFALL_LOG", "trace")], |folder, _| {
        let journal = folder.join("journal");
        assert!(!search::files(&journal).is_empty());
        journal_of(&journal)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_appears_nowhere_around_kafka() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", PARTITIONS, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let settings = [("FOOTFALL_LOG", "debug,json"), ("FOOTFALL_KAFKA", brokers.as_str())];
    assert_kept_nowhere(&settings, |_, events| records(&brokers, events)).await;
}

/// `stream` reads all that the stream holds when the house has ended, given the data folder and the number of events.
async fn assert_kept_nowhere(settings: &[(&str, &str)], stream: impl Fn(&Path, u64) -> Vec<u8>) {
    let folder = Folder::new().await;
    if !folder.is_embedded() {
        eprintln!("The files of another ClickHouse cannot be searched; the test is skipped.");
        return;
    }
    let scratch = folder.data().with_file_name("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let own = [
        ("TMPDIR", scratch.to_str().unwrap()),
        ("FOOTFALL_OPERATOR", "127.0.0.1:0"),
        // Low enough to be reached, and more than what is sent before.
        ("FOOTFALL_LENA_LIMIT", "100/3600s"),
        ("FOOTFALL_BITCAIN_LIMIT", "off"),
    ];
    let server = folder.serve_openly_with(&[&own, settings].concat());
    let website = server.add_website(ADMIN_KEY, "canary.example", "UTC").await;
    let canaries = ["203.0.113.231", "2001:db8:c0ff::1d1e:77:ca9a"].map(Canary::new);
    let decoys = ["198.51.100.163", "2001:db8:feed::2b3c:99:d00d"].map(Canary::new);
    for canary in &canaries {
        let (server, folder, website) = (&server, &folder, website.as_str());
        Visitor { server, folder, website, canary, http: Client::new() }.send_everything().await;
    }
    for decoy in &decoys {
        let path = format!("/decoy/{}", decoy.forms[0]);
        let event = json!({
            "website_id": website, "event_type": "page_view", "url": "https://canary.example/", "path": path,
        });
        let request = Client::new().post(format!("{}/api/v1/collect", server.url()));
        let request = request.header("x-forwarded-for", "192.0.2.55").header("user-agent", FIREFOX);
        assert_eq!(request.body(event.to_string()).send().await.unwrap().status(), 202);
    }
    server.settle(ADMIN_KEY, &website).await;

    let engine = engine_url(&folder);
    let dump = dump(&engine).await;
    let events = ask(&engine, "SELECT count() FROM footfall.events").await;
    let events = String::from_utf8(events).unwrap().trim().parse().unwrap();
    let metrics = metrics(&server).await;
    let (status, log) = server.terminate(PATIENCE);
    assert!(status.success(), "{log}");
    let stream = stream(&folder.data(), events);

    assert!(metrics.contains("footfall_events_received_total"), "{metrics}");
    assert!(log.contains("A batch was stored."), "the log is talkative: {log}");
    for decoy in &decoys {
        assert!(decoy.found_in(&dump).is_some(), "what is in a table is found");
        assert!(decoy.found_in(&stream).is_some(), "what is in the stream is found");
    }
    for canary in &canaries {
        assert_eq!(canary.found_in(&dump), None, "in a table");
        assert_eq!(canary.found_closely_in(&stream), None, "in the stream");
        assert_eq!(canary.found_in(metrics.as_bytes()), None, "in the metrics");
        assert_eq!(canary.found_in(log.as_bytes()), None, "in the log");
        for place in [&folder.data(), &scratch] {
            assert_eq!(canary.files_with_it(place, false), Vec::<String>::new());
        }
    }
}

/// Where the house's ClickHouse answers; only its command line knows.
fn engine_url(folder: &Folder) -> String {
    let [engine] = folder.engines()[..] else { panic!("there is one engine") };
    let line = std::fs::read_to_string(format!("/proc/{engine}/cmdline")).unwrap();
    let port = line.split('\0').skip_while(|word| *word != "--http-port").nth(1).unwrap().to_owned();
    format!("http://127.0.0.1:{port}/")
}

/// An answer of ClickHouse, whatever its status.
async fn ask(engine: &str, sql: &str) -> Vec<u8> {
    let response = Client::new().post(engine).body(sql.to_owned()).send().await.unwrap();
    let ok = response.status().is_success();
    let body = response.bytes().await.unwrap().to_vec();
    assert!(ok, "{sql}: {}", String::from_utf8_lossy(&body));
    body
}

/// Every column of every table as text: all of ours, and those in which ClickHouse keeps what it was asked and what failed.
async fn dump(engine: &str) -> Vec<u8> {
    const TABLES: &str = "SELECT database, name FROM system.tables
        WHERE lower(database) != 'information_schema' AND (database != 'system' OR name LIKE '%\\_log'
            OR name IN ('errors', 'warnings', 'tables', 'parts', 'parts_columns', 'mutations', 'asynchronous_inserts',
                        'query_cache', 'processes', 'detached_parts')) FORMAT TSV";
    let tables = String::from_utf8(ask(engine, TABLES).await).unwrap();
    assert!(tables.contains("\tevents\n") && tables.contains("\tdead_letters\n"), "{tables}");
    let mut dump = Vec::new();
    for line in tables.lines() {
        let (database, table) = line.split_once('\t').unwrap();
        dump.extend(ask(engine, &format!("SELECT * FROM `{database}`.`{table}` FORMAT TSV")).await);
    }
    dump
}

/// The operator's port tells its address in the log.
async fn metrics(server: &Server) -> String {
    let log = server.log();
    let line = log.lines().find(|line| line.contains("The operator's port is open.")).unwrap();
    let port: String =
        line.split("127.0.0.1:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap()
}

/// All bytes of the journal's files.
fn journal_of(folder: &Path) -> Vec<u8> {
    search::files(folder).into_iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
}

/// All records of the topic, with keys and headers.
fn records(brokers: &str, least: u64) -> Vec<u8> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "canary").create().unwrap();
    let mut partitions = TopicPartitionList::new();
    let mut expected = 0;
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset("events", partition, Offset::Beginning).unwrap();
        let (low, high) = consumer.fetch_watermarks("events", partition, Duration::from_secs(30)).unwrap();
        expected += high - low;
    }
    assert!(expected.unsigned_abs() >= least, "every event has a record: {expected} of {least}");
    consumer.assign(&partitions).unwrap();
    let mut bytes = Vec::new();
    for _ in 0..expected {
        let message = consumer.poll(PATIENCE).expect("a record comes").unwrap();
        bytes.extend_from_slice(message.key().unwrap_or_default());
        bytes.extend_from_slice(message.payload().unwrap_or_default());
        for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
            bytes.extend_from_slice(header.key.as_bytes());
            bytes.extend_from_slice(header.value.unwrap_or_default());
        }
    }
    bytes
}
