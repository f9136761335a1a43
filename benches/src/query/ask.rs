//! Asks the API over HTTP, and the store directly, and checks that both say the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clickhouse::Client;
use directory::Directory;
use query_api::QueryApi;
use query_api::report::{CacheSize, Prefer};
use reqwest::StatusCode;
use schema::rows::WebsiteRow;
use schema::store::StoreUrl;
use serde_json::Value;
use service::config::Rate;
use service::{Clock, MasterKey, Stop};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::log;
use super::reports::Report;
use crate::world::Site;

/// Who may ask: one directory for all databases.
pub struct Callers {
    directory: Arc<Directory>,
    key: String,
    clock: Clock,
    http: reqwest::Client,
    stop: Stop,
}

impl Drop for Callers {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Callers {
    /// A directory of its own in a store, with these websites and an admin. `now` is what the clock stands at, in
    /// milliseconds since 1970.
    pub async fn new(store: &StoreUrl, sites: &[Site], now: i64) -> anyhow::Result<Self> {
        let store = store.clone().with_database("bench_directory");
        let name = store.database().to_owned();
        store
            .server()
            .query("DROP DATABASE IF EXISTS {name:Identifier} SYNC")
            .param("name", name)
            .execute()
            .await?;
        schema::migrate::up(&store).await?;
        let clock = Clock::fixed(now);
        let directory = Directory::open(&store, &MasterKey::generate()?, clock.clone()).await?;
        let key = directory.bootstrap_admin(None).await?.context("there was an admin already")?.to_string();
        // The websites' ids are the traffic's, so they are written as they are.
        let mut websites = store.client().insert::<WebsiteRow>("websites").await?;
        for site in sites {
            let row = WebsiteRow {
                id: site.id,
                account_id: directory::DEFAULT_ACCOUNT,
                domain: site.domain.clone(),
                timezone: "UTC".to_owned(),
                content_groups: Vec::new(),
                excluded_ips: Vec::new(),
                respect_dnt: false,
                retention_days: 0,
                created_at: now,
                // The first version is a reservation.
                version: 2,
                is_deleted: false,
            };
            websites.write(&row).await?;
        }
        websites.end().await?;
        directory.refresh().await?;
        Ok(Self { directory, key, clock, http: reqwest::Client::new(), stop: Stop::new() })
    }

    /// The API over a database, on a port of its own.
    pub async fn serve(&self, store: &StoreUrl, rollups: Prefer) -> anyhow::Result<Api> {
        let router = query_api::router(QueryApi {
            store: store.clone(),
            directory: Arc::clone(&self.directory),
            clock: self.clock.clone(),
            api_limit: Rate::Off,
            rollups,
            // Measured is what it costs to ask the store.
            cache: CacheSize::OFF,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}/api/v1/reports", listener.local_addr()?);
        tokio::spawn(service::serve::serve(router, listener, self.stop.clone()));
        Ok(Api { base, key: self.key.clone(), http: self.http.clone() })
    }
}

/// A running API.
pub struct Api {
    base: String,
    key: String,
    http: reqwest::Client,
}

/// Of what is asked: a website and days, both included.
pub struct Scope {
    /// The website.
    pub site: Uuid,
    /// The first day, `YYYY-MM-DD`.
    pub start: String,
    /// The last day, `YYYY-MM-DD`.
    pub end: String,
}

/// An answer, and when it was asked for and there, in microseconds since 1970.
pub struct Reply {
    /// The body.
    pub body: Vec<u8>,
    /// When it was asked for.
    pub began: i64,
    /// When all of it was there.
    pub ended: i64,
}

impl Api {
    /// Asks for a report.
    pub async fn ask(&self, report: &Report, scope: &Scope) -> anyhow::Result<Reply> {
        let Scope { site, start, end } = scope;
        let url =
            format!("{}/{}website_id={site}&start_date={start}&end_date={end}", self.base, report.route);
        let began = log::now();
        let response = self.http.get(url).header("X-API-KEY", &self.key).send().await?;
        let status = response.status();
        let body = response.bytes().await?.to_vec();
        let ended = log::now();
        ensure!(status == StatusCode::OK, "{}: {status} {}", report.name, String::from_utf8_lossy(&body));
        Ok(Reply { body, began, ended })
    }
}

/// A client that reads and nothing else, as the API's: so the log knows its queries.
pub fn reader(store: &StoreUrl) -> Client {
    store.client().with_setting("readonly", "2")
}

/// Asks the store. The answer is a row per line, as JSON.
pub async fn ask(client: &Client, sql: &str, scope: &Scope) -> anyhow::Result<Reply> {
    let began = log::now();
    let body = client
        .query_raw(sql)
        .param("site", scope.site)
        .param("start", &scope.start)
        .param("end", &scope.end)
        .fetch_bytes("JSONEachRow")?
        .collect()
        .await?;
    Ok(Reply { body: body.to_vec(), began, ended: log::now() })
}

/// The rows of an answer, by the names of its lists.
type Lists = BTreeMap<String, Vec<Vec<Value>>>;

/// Whether the API's answer has every value that the store's has, row by row. Counts are equal; what is no whole number is
/// rounded by the API. Of an estimate, counts are within this share.
pub fn compare(api: &Reply, store: &Reply, within: f64) -> anyhow::Result<()> {
    let (api, store) = (lists_of_api(&api.body)?, lists_of_store(&store.body)?);
    for (name, expected) in &store {
        let given = api.get(name).with_context(|| format!("there is no list {name}"))?;
        ensure!(
            given.len() == expected.len() || within > 0.0,
            "{name}: {} rows instead of {}",
            given.len(),
            expected.len()
        );
        for (given, expected) in given.iter().zip(expected) {
            for value in expected {
                let has = given.iter().any(|given| is_equal(given, value, within));
                ensure!(has, "{name}: {given:?} has no {value}");
            }
        }
    }
    Ok(())
}

fn is_equal(given: &Value, expected: &Value, within: f64) -> bool {
    match (given.as_f64(), expected.as_f64()) {
        (Some(given), Some(expected)) => {
            let rounding = if expected.fract() == 0.0 { 0.0 } else { 0.5 };
            (given - expected).abs() <= rounding + within * expected
        }
        // An estimate may change the order of rows.
        _ => given == expected || within > 0.0,
    }
}

fn lists_of_api(body: &[u8]) -> anyhow::Result<Lists> {
    let answer: Value = serde_json::from_slice(body)?;
    let data = answer["data"].as_object().context("an answer without data")?;
    let values = |row: &Value| row.as_object().map_or_else(Vec::new, |row| row.values().cloned().collect());
    let mut lists = Lists::new();
    for (name, part) in data {
        if name == "metrics" {
            let metrics = part.as_object().into_iter().flatten();
            lists.insert(String::new(), vec![metrics.map(|(_, metric)| metric["value"].clone()).collect()]);
        } else if let Some(rows) = part.as_array() {
            let is_only = matches!(name.as_str(), "rows" | "series" | "funnel");
            let name = if is_only { String::new() } else { name.clone() };
            lists.insert(name, rows.iter().map(values).collect());
        }
    }
    Ok(lists)
}

fn lists_of_store(body: &[u8]) -> anyhow::Result<Lists> {
    let mut lists = Lists::new();
    for row in serde_json::Deserializer::from_slice(body).into_iter::<BTreeMap<String, Value>>() {
        let mut row = row?;
        let list = row.remove("list").and_then(|list| list.as_str().map(str::to_owned)).unwrap_or_default();
        // Columns of another list than the row's are empty.
        let is_said = |value: &Value| value.as_str() != Some("") && !value.is_null();
        lists.entry(list).or_default().push(row.into_values().filter(is_said).collect());
    }
    Ok(lists)
}
