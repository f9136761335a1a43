//! A database of one's own on the test process's engine.

use std::time::Duration;

use clickhouse::{Client, Row, RowOwned, RowRead, RowWrite};
use schema::epochs;
use schema::maintain::Maintainer;
use schema::migrate::{self, LockTimes, MIGRATIONS};
use schema::rollup::Rollup;
use schema::rows::{Day, EventRow, Millis};
use schema::store::StoreUrl;
use serde::Deserialize;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// 2026-03-02.
pub(crate) const MONDAY: Day = 20_514;

/// Times of the lock that a test can wait for.
pub(crate) const SHORT: LockTimes = LockTimes {
    heartbeat: Duration::from_millis(300),
    stale_after: Duration::from_secs(2),
    wait: Duration::from_mins(1),
};

/// A maintainer with these rollups.
pub(crate) fn maintainer(store: &StoreUrl, rollups: &'static [Rollup]) -> Maintainer {
    Maintainer::with(store.clone(), MIGRATIONS, rollups, SHORT).patient(Duration::from_secs(30))
}

fn with_text(rollups: &[Rollup], name: &str, change: impl Fn(&Rollup) -> Rollup) -> &'static [Rollup] {
    let changed: Vec<_> =
        rollups.iter().map(|rollup| if rollup.name == name { change(rollup) } else { *rollup }).collect();
    assert!(changed.iter().any(|rollup| rollup.name == name));
    changed.leak()
}

/// The rollups of a release in which one has another version.
pub(crate) fn changed(rollups: &[Rollup], name: &str, version: u32) -> &'static [Rollup] {
    with_text(rollups, name, |rollup| Rollup {
        version,
        sql: format!("-- {version}\n{}", rollup.sql).leak(),
        ..*rollup
    })
}

/// The rollups of a release in which somebody edited a file and forgot the version.
pub(crate) fn edited(rollups: &[Rollup], name: &str) -> &'static [Rollup] {
    with_text(rollups, name, |rollup| Rollup { sql: format!("-- edited\n{}", rollup.sql).leak(), ..*rollup })
}

/// The rollups of a release that did not have this one yet.
pub(crate) fn without(rollups: &[Rollup], name: &str) -> &'static [Rollup] {
    let others: Vec<_> = rollups.iter().filter(|rollup| rollup.name != name).copied().collect();
    others.leak()
}

/// What a loader of one partition says of epochs.
#[derive(Clone)]
pub(crate) struct Loader {
    client: Client,
    stream: String,
    partition: u32,
}

/// A loader that has come to its partition.
pub(crate) async fn loader(store: &StoreUrl, stream: &str, partition: u32) -> Loader {
    let loader = Loader { client: store.client(), stream: stream.to_owned(), partition };
    loader.follow().await;
    loader
}

impl Loader {
    /// Takes up the newest epoch.
    pub(crate) async fn follow(&self) {
        let epoch = epochs::current(&self.client).await.unwrap().number;
        epochs::checkpoint(&self.client, &self.stream, self.partition, epoch, 0).await.unwrap();
    }

    /// Takes up every epoch from now on.
    pub(crate) async fn follow_on(&self) {
        loop {
            let newest = epochs::current(&self.client).await.unwrap().number;
            let own = epochs::of_partition(&self.client, &self.stream, self.partition).await.unwrap();
            if own != Some(newest) {
                self.follow().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The same event, loaded in an epoch.
pub(crate) fn at_epoch(epoch: u32, event: EventRow) -> EventRow {
    EventRow { epoch, ..event }
}

/// A moment of a UTC day.
pub(crate) fn utc(day: Day, hour: i64, minute: i64) -> Millis {
    ((i64::from(day) * 24 + hour) * 60 + minute) * 60_000
}

/// A database that is not there yet.
pub(crate) async fn missing() -> StoreUrl {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let engine = sandbox::testing::engine().await;
    let database = format!("schema_{}", Uuid::new_v4().simple());
    StoreUrl::parse(&engine.store_url).unwrap().with_database(&database)
}

/// A database with nothing in it.
pub(crate) async fn empty() -> StoreUrl {
    let store = missing().await;
    let sql = format!("CREATE DATABASE {}", store.database());
    run(&store.server(), &sql).await;
    store
}

/// An up-to-date database that tests share which only look at rows of their own website.
pub(crate) async fn shared() -> Client {
    static STORE: OnceCell<StoreUrl> = OnceCell::const_new();
    let store = STORE.get_or_init(async || {
        let store = missing().await;
        migrate::up(&store).await.unwrap();
        store
    });
    store.await.client()
}

/// Runs a statement.
pub(crate) async fn run(client: &Client, sql: &str) {
    client.query_raw(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The answer's rows.
pub(crate) async fn rows<T: RowOwned + RowRead>(client: &Client, sql: &str) -> Vec<T> {
    client.query_raw(sql).fetch_all().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The answer's only number.
pub(crate) async fn number(client: &Client, sql: &str) -> u64 {
    client.query_raw(sql).fetch_one().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Names of the database's tables and views, in order.
pub(crate) async fn tables(client: &Client) -> Vec<String> {
    rows(client, "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name").await
}

/// Inserts rows as one block, as they come.
pub(crate) async fn insert<T: RowOwned + RowWrite>(client: &Client, table: &str, rows: &[T]) {
    let mut insert = client.insert::<T>(table).await.unwrap();
    for row in rows {
        insert.write(row).await.unwrap();
    }
    insert.end().await.unwrap();
}

/// Inserts events as the loader does: one block, dropped by the store when it knows the token.
pub(crate) async fn load(client: &Client, token: &str, events: &[EventRow]) {
    let client = client
        .clone()
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", token)
        .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
        .with_setting("max_insert_block_size", "1000000")
        .with_setting("max_partitions_per_insert_block", "0");
    insert(&client, "events", events).await;
}

/// An anonymous visitor's view of a page at Monday noon, within a session that goes on: it counts as an event, as a
/// view of a page, and changes nothing else.
pub(crate) fn view(website_id: Uuid) -> EventRow {
    EventRow {
        website_id,
        day: MONDAY,
        time: utc(MONDAY, 12, 0),
        received_after_ms: 0,
        event_type: "page_view".into(),
        event_name: String::new(),
        hostname: "example.com".into(),
        path: "/".into(),
        content_group: String::new(),
        properties: String::new(),
        visitor_id: 1,
        is_identified: false,
        person: 0,
        is_bot: false,
        bot_reason: String::new(),
        is_excluded: false,
        session_id: 1,
        session_start: utc(MONDAY, 12, 0),
        session_day: MONDAY,
        entry_path: "/".into(),
        prev_path: "/".into(),
        visits: 0,
        visitors: 0,
        bounces: 0,
        duration_ms: 0,
        entry_lead_ms: 0,
        unique_pageview: 0,
        referrer: String::new(),
        channel: "Direct".into(),
        utm_source: String::new(),
        utm_medium: String::new(),
        utm_campaign: String::new(),
        utm_term: String::new(),
        utm_content: String::new(),
        device_type: "desktop".into(),
        browser: "Firefox".into(),
        os: "Linux".into(),
        screen: "1441+".into(),
        country: "FI".into(),
        region: String::new(),
        city: String::new(),
        language: "fi".into(),
        event_id: Uuid::nil(),
        stream: "test".into(),
        kafka_partition: 0,
        kafka_offset: 0,
        epoch: 0,
    }
}

/// The event that starts a session: a visit, a visitor's first of the day, a bounce so far, a first view of the path.
pub(crate) fn first_view(website_id: Uuid) -> EventRow {
    EventRow { visits: 1, visitors: 1, bounces: 1, unique_pageview: 1, ..view(website_id) }
}

/// What a website's rollup holds for an hour of a day, people or bots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Deserialize)]
pub(crate) struct Totals {
    pub(crate) events: i64,
    pub(crate) pageviews: i64,
    pub(crate) unique_pageviews: i64,
    pub(crate) visitors: i64,
    pub(crate) visits: i64,
    pub(crate) bounces: i64,
    pub(crate) duration_ms: i64,
}

/// Puts a number into a rollup's table that no event tells of: for people, on Monday, at a key of its own.
pub(crate) async fn plant(client: &Client, table: &str, website_id: Uuid, column: &str, by: i64) {
    let has_path = "SELECT count() FROM system.columns WHERE database = currentDatabase() AND name = 'path' AND table = ";
    let path = number(client, &format!("{has_path}'{table}'")).await == 1;
    let (name, value) = if path { (", path", ", '/planted'") } else { ("", "") };
    let sql = format!(
        "INSERT INTO {table} (website_id, day{name}, {column}) SETTINGS insert_deduplicate = 0
         SELECT toUUID('{website_id}'), toDate({MONDAY}){value}, {by}"
    );
    run(client, &sql).await;
}
