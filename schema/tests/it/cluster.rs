//! The form of the files on a cluster: every statement has one, and the store's own parser reads it.

use schema::cluster::{Cluster, ClusterName, SETTINGS};
use schema::migrate::MIGRATIONS;
use schema::rollup::{ROLLUPS, Rollup};
use schema::store::StoreUrl;

use crate::house;

fn cluster() -> Cluster {
    Cluster::new("footfall".parse().unwrap(), "footfall")
}

/// Every statement that `up` runs, by file.
fn statements() -> Vec<(&'static str, Vec<String>)> {
    let migrations =
        MIGRATIONS.iter().map(|file| (file.name, file.statements().map(str::to_owned).collect::<Vec<_>>()));
    let rollups = ROLLUPS.iter().map(|rollup| (rollup.name, rollup_statements(rollup)));
    migrations.chain(rollups).collect()
}

/// A rollup's table, the view that fills it, what readers ask, and how they go.
fn rollup_statements(rollup: &Rollup) -> Vec<String> {
    let (table, facts) = rollup.sql.split_once(";\n").unwrap();
    let name = format!("{}_0", rollup.name);
    let view = include_str!("../../src/rollup/view.sql")
        .replace("$view", &format!("{name}_view"))
        .replace("$table", &name)
        .replace("$facts", &facts.replace("$scope", "e.epoch >= 0"));
    let reader = include_str!("../../src/rollup/reader.sql").replace("$rollup", rollup.name);
    let drop_view = include_str!("../../src/rollup/drop_view.sql").replace("$name", &format!("{name}_view"));
    let drop_table = include_str!("../../src/rollup/drop_table.sql").replace("$name", &name);
    let statements =
        [table.replace("$table", &name), view, reader.replace("$table", &name), drop_view, drop_table];
    statements.map(|statement| statement.trim().trim_end_matches(';').to_owned()).into()
}

fn render(statement: &str) -> String {
    cluster().render(statement).unwrap_or_else(|refusal| panic!("{refusal}")).join(";\n")
}

#[tokio::test]
async fn every_statement_has_a_form_that_the_store_can_read() {
    let client = house::shared().await;
    let (mut text, mut checked) = (String::new(), 0);
    for (file, statements) in statements() {
        text.extend(["==== ", file, "\n"]);
        for statement in statements {
            for rendered in cluster().render(&statement).unwrap_or_else(|refusal| panic!("{file}: {refusal}"))
            {
                let read: Result<String, _> = client
                    .query("SELECT formatQuery({sql:String})")
                    .param("sql", &rendered)
                    .fetch_one()
                    .await;
                let read = read.unwrap_or_else(|error| panic!("{file}: {rendered}: {error}"));
                assert!(
                    read.contains("ON CLUSTER footfall") || read.starts_with("INSERT INTO"),
                    "{file} runs on one node only: {rendered}"
                );
                checked += 1;
                text += &rendered;
                text += ";\n\n";
            }
        }
    }
    assert!(checked >= 50, "{checked} statements");
    insta::assert_snapshot!("cluster", text);
}

#[test]
fn a_table_by_website_has_a_part_on_each_shard_and_is_asked_through_all() {
    let sql = "CREATE TABLE IF NOT EXISTS events\n(\n    website_id UUID\n)\nENGINE = MergeTree\nORDER BY website_id\nSETTINGS non_replicated_deduplication_window = 7";
    assert_eq!(
        render(sql),
        "CREATE TABLE IF NOT EXISTS events_local ON CLUSTER 'footfall'\n(\n    website_id UUID\n)\n\
         ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')\n\
         ORDER BY website_id\n\
         SETTINGS replicated_deduplication_window = 7, replicated_deduplication_window_seconds = 2592000, \
         non_replicated_deduplication_window = 7;\n\
         CREATE TABLE IF NOT EXISTS events ON CLUSTER 'footfall' AS events_local\n\
         ENGINE = Distributed('footfall', 'footfall', 'events_local', cityHash64(website_id))"
    );
}

#[test]
fn a_small_table_is_whole_on_every_node_and_repeats_what_it_is_told_twice() {
    assert_eq!(
        render(
            "CREATE TABLE IF NOT EXISTS websites (id UUID) ENGINE = ReplacingMergeTree(version) ORDER BY id"
        ),
        "CREATE TABLE IF NOT EXISTS websites ON CLUSTER 'footfall' (id UUID) \
         ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/everywhere/{database}/{table}', \
         '{shard}-{replica}', version) ORDER BY id\nSETTINGS replicated_deduplication_window = 0"
    );
}

#[test]
fn a_rollup_adds_up_on_the_shard_what_comes_to_the_shard() {
    assert_eq!(
        render(
            "CREATE MATERIALIZED VIEW IF NOT EXISTS pages_3_view TO pages_3 AS SELECT 'FROM events' FROM events AS e ARRAY JOIN [1] AS x"
        ),
        "CREATE MATERIALIZED VIEW IF NOT EXISTS pages_3_view ON CLUSTER 'footfall' TO pages_3_local AS SELECT 'FROM events' FROM events_local AS e ARRAY JOIN [1] AS x"
    );
    assert_eq!(
        render("DROP TABLE IF EXISTS pages_3 SYNC"),
        "DROP TABLE IF EXISTS pages_3 ON CLUSTER 'footfall' SYNC;\nDROP TABLE IF EXISTS pages_3_local ON CLUSTER 'footfall' SYNC"
    );
}

#[test]
fn how_long_a_columns_values_are_kept_is_said_where_they_are_kept() {
    let sql = "ALTER TABLE events\n    MODIFY COLUMN event_id TTL toDateTime(time) + toIntervalDay(10)";
    assert_eq!(
        render(sql),
        "ALTER TABLE events_local ON CLUSTER 'footfall'\n    MODIFY COLUMN event_id TTL toDateTime(time) + toIntervalDay(10)"
    );
}

#[test]
fn a_change_of_columns_is_for_both_tables_and_any_other_for_the_parts() {
    assert_eq!(
        render(
            "-- why\nALTER TABLE events\n    ADD COLUMN a UInt8 COMMENT 'x, y',\n    ADD INDEX i a TYPE minmax SETTINGS mutations_sync = 2"
        ),
        "-- why\nALTER TABLE events_local ON CLUSTER 'footfall'\n    ADD COLUMN a UInt8 COMMENT 'x, y',\n    ADD INDEX i a TYPE minmax SETTINGS mutations_sync = 2;\n\
         ALTER TABLE events ON CLUSTER 'footfall'\n    ADD COLUMN a UInt8 COMMENT 'x, y'"
    );
}

#[test]
fn what_is_not_known_is_refused_and_not_guessed() {
    for statement in [
        "TRUNCATE TABLE events",
        "CREATE TABLE IF NOT EXISTS strangers (a UInt8) ENGINE = MergeTree ORDER BY a",
        "CREATE TABLE IF NOT EXISTS events (a UInt8) ENGINE = Log",
        "CREATE TABLE IF NOT EXISTS events (a UInt8)",
        "CREATE TABLE events (a UInt8) ENGINE = MergeTree ORDER BY a",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO events AS SELECT 1 FROM strangers",
        "ALTER TABLE events DELETE WHERE 1",
        "ALTER TABLE events ADD PROJECTION p (SELECT 1)",
        "DROP TABLE IF EXISTS events, users",
        "INSERT INTO strangers SELECT 1",
        "ALTER TABLE \"events\" ADD COLUMN a UInt8",
        "",
    ] {
        assert!(cluster().render(statement).is_err(), "{statement}");
    }
}

#[test]
fn a_name_of_a_cluster_is_plain() {
    for name in ["", "a b", "a'b", "a`", "ä"] {
        assert!(name.parse::<ClusterName>().is_err(), "{name}");
    }
}

#[tokio::test]
async fn the_store_knows_every_setting_of_a_clusters_clients() {
    let engine = sandbox::testing::engine().await;
    let store = StoreUrl::parse(&engine.store_url).unwrap().in_cluster(Some("footfall".parse().unwrap()));
    let client = store.server();
    for (name, value) in SETTINGS {
        let value_there: String = client
            .query("SELECT getSetting({name:String})::String")
            .param("name", name)
            .fetch_one()
            .await
            .unwrap();
        let is_it = value_there == value
            || value == "0" && value_there == "false"
            || value == "1" && value_there == "true";
        assert!(is_it, "{name}: {value_there}");
    }
}
