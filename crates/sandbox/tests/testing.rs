//! What other packages' tests rely on: one engine per process, and what it promises to the loader.

mod support;

use std::fs;

use clickhouse::Client;
use sandbox::testing;
use support::{as_process, client, count, run, until};
use tempfile::tempdir;

#[tokio::test]
async fn every_test_of_a_process_gets_the_same_engine() {
    let (first, second) = (testing::engine().await, testing::engine().await);
    assert!(std::ptr::eq(first, second));
    assert_eq!(count(&client(&first.url), "SELECT toUInt64(1)").await, 1);
}

#[test]
fn the_engine_outlives_the_runtime_of_the_test_that_started_it() {
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let url = runtime().block_on(testing::engine()).url.clone();
    assert_eq!(runtime().block_on(count(&client(&url), "SELECT toUInt64(2)")), 2);
}

#[tokio::test]
async fn a_given_server_is_used_and_no_engine_started() {
    let folder = tempdir().expect("a folder");
    let output = as_process("a_test_process")
        .env("FOOTFALL_CLICKHOUSE_URL", "http://ann:secret@db.example:8123")
        .env("TMPDIR", folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("engine http://db.example:8123 Some(\"ann\") Some(\"secret\") None"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
}

#[tokio::test]
async fn nothing_is_left_when_the_test_process_has_ended() {
    let folder = tempdir().expect("a folder");
    let output = as_process("a_test_process")
        .env_remove("FOOTFALL_CLICKHOUSE_URL")
        .env("TMPDIR", folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("engine http://127.0.0.1:"), "{said}");
    until("the temporary folder is empty", async || {
        fs::read_dir(folder.path()).expect("there").next().is_none()
    })
    .await;
}

#[tokio::test]
#[ignore = "the process that the tests above watch"]
async fn a_test_process() {
    let engine = testing::engine().await;
    println!("\nengine {} {:?} {:?} {:?}", engine.url, engine.user, engine.password, engine.tcp_port);
}

#[tokio::test]
async fn a_block_inserted_twice_under_one_token_counts_once_in_the_table_and_in_its_views() {
    let store = Store::new("twice").await;
    store.view(SOUND).await;
    assert!(store.insert("a").await);
    assert!(store.insert("a").await);
    assert_eq!(store.sums().await, (7, 7));
    assert!(store.insert("b").await);
    assert_eq!(store.sums().await, (14, 14));
}

#[tokio::test]
async fn a_retry_fills_the_view_that_failed_and_nothing_else() {
    let store = Store::new("retry").await;
    store.view("SELECT site, sum(n) + throwIf(max(n) = 4) AS n FROM {db}.events GROUP BY site").await;
    assert!(!store.insert("a").await);
    assert_eq!(store.sums().await, (7, 0), "the failure came before the table had the block");

    store.view(SOUND).await;
    assert!(store.insert("a").await);
    assert_eq!(store.sums().await, (7, 7));
}

const SOUND: &str = "SELECT site, sum(n) AS n FROM {db}.events GROUP BY site";

/// A table and one view of it, both with a deduplication window, in a database of their own.
struct Store {
    client: Client,
    database: &'static str,
}

impl Store {
    async fn new(database: &'static str) -> Store {
        let client = client(&testing::engine().await.url)
            .with_setting("async_insert", "0")
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
        let store = Store { client, database };
        store.run("CREATE DATABASE {db}").await;
        for (table, engine) in [("events", "MergeTree"), ("sums", "SummingMergeTree")] {
            let sql = format!(
                "CREATE TABLE {{db}}.{table} (site UInt64, n UInt64) ENGINE = {engine} ORDER BY site
                 SETTINGS non_replicated_deduplication_window = 1000"
            );
            store.run(&sql).await;
        }
        store
    }

    async fn run(&self, sql: &str) {
        run(&self.client, &sql.replace("{db}", self.database)).await;
    }

    async fn view(&self, select: &str) {
        self.run("DROP TABLE IF EXISTS {db}.view SYNC").await;
        self.run(&format!("CREATE MATERIALIZED VIEW {{db}}.view TO {{db}}.sums AS {select}")).await;
    }

    /// Inserts the block under this token; whether all of it, views included, went well.
    async fn insert(&self, token: &str) -> bool {
        let client = self.client.clone().with_setting("insert_deduplication_token", token);
        let sql = format!("INSERT INTO {}.events VALUES (1, 1), (1, 2), (2, 4)", self.database);
        client.query(&sql).execute().await.is_ok()
    }

    async fn sums(&self) -> (u64, u64) {
        let of = async |table: &str| {
            count(&self.client, &format!("SELECT sum(n) FROM {}.{table}", self.database)).await
        };
        (of("events").await, of("sums").await)
    }
}
