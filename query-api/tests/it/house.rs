//! A way out of one's own: a router on a loopback port, and an account with a user and websites per test.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use clickhouse::Client;
use directory::{ApiKey, Directory, NewUser, NewWebsite, Role};
use query_api::QueryApi;
use query_api::report::{CacheSize, Days, Prefer, Reports, Scope};
use reqwest::{Method, Response};
use schema::rollup::tables::KNOWN_FOR;
use schema::rows::EventRow;
use schema::store::StoreUrl;
use serde_json::Value;
use service::config::Rate;
use service::{Clock, MasterKey, Stop};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::visit::{Visit, mark_first_of_day};

/// Now, in all tests: 2026-03-02 12:00 UTC.
pub(crate) const NOW: i64 = 1_772_452_800_000;

/// The master key of all houses.
pub(crate) const MASTER: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// The database of this test process, with its tables.
pub(crate) async fn store() -> StoreUrl {
    static STORE: OnceCell<StoreUrl> = OnceCell::const_new();
    let make = async || {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let database = format!("query_api_{}", Uuid::new_v4().simple());
        let store = server().await.with_database(&database);
        schema::migrate::up(&store).await.unwrap();
        store
    };
    STORE.get_or_init(make).await.clone()
}

/// The engine of this test process.
async fn server() -> StoreUrl {
    sandbox::testing::engine().await.store_url.parse().unwrap()
}

/// A running way out.
pub(crate) struct House {
    pub(crate) directory: Arc<Directory>,
    pub(crate) store: StoreUrl,
    pub(crate) clock: Clock,
    base: String,
    http: reqwest::Client,
    stop: Stop,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A house without a limit.
pub(crate) async fn house() -> House {
    house_with(store().await, Rate::Off).await
}

/// A house on a database of its own, up to date.
pub(crate) async fn house_of_its_own() -> House {
    let store = store().await.with_database(&format!("query_api_{}", Uuid::new_v4().simple()));
    schema::migrate::up(&store).await.unwrap();
    house_with(store, Rate::Off).await
}

/// A house with a limit, over a store.
pub(crate) async fn house_with(store: StoreUrl, api_limit: Rate) -> House {
    let clock = Clock::fixed(NOW);
    let master = MasterKey::parse(MASTER).unwrap();
    let directory = Directory::open(&store, &master, clock.clone()).await.unwrap();
    serve(store, directory, clock, api_limit).await
}

/// The same house, answering from the events alone.
pub(crate) async fn without_rollups(house: &House) -> House {
    let directory = Arc::clone(&house.directory);
    serve_from(house.store.clone(), directory, house.clock.clone(), Rate::Off, Prefer::EventsOnly).await
}

/// A house over a directory, which may be read from another store than the reports.
pub(crate) async fn serve(
    store: StoreUrl,
    directory: Arc<Directory>,
    clock: Clock,
    api_limit: Rate,
) -> House {
    serve_from(store, directory, clock, api_limit, Prefer::Auto).await
}

async fn serve_from(
    store: StoreUrl,
    directory: Arc<Directory>,
    clock: Clock,
    api_limit: Rate,
    rollups: Prefer,
) -> House {
    serve_as(QueryApi { store, directory, clock, api_limit, rollups, cache: CacheSize::default() }).await
}

/// A house of these parts.
pub(crate) async fn serve_as(parts: QueryApi) -> House {
    let (store, directory, clock) = (parts.store.clone(), Arc::clone(&parts.directory), parts.clock.clone());
    let router = query_api::router(parts);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let stop = Stop::new();
    tokio::spawn(service::serve::serve(router, listener, stop.clone()));
    House { directory, store, clock, base, http: reqwest::Client::new(), stop }
}

impl House {
    /// A request, with a key or without.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<String>,
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.header("X-API-KEY", key);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        request.send().await.unwrap()
    }

    /// A request that is still to be sent.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A new account and the key of a user in it.
    pub(crate) async fn account(&self, role: Role) -> (Uuid, String) {
        let account = self.directory.add_account("Test").await.unwrap();
        let new = NewUser { account_id: account.id, website_id: None, email: String::new(), role };
        let (_, key): (_, ApiKey) = self.directory.add_user(new).await.unwrap();
        (account.id, key.to_string())
    }

    /// A website of an account of its own.
    pub(crate) async fn site(&self) -> Site<'_> {
        self.site_in("UTC").await
    }

    /// A website whose days are those of a time zone.
    pub(crate) async fn site_in(&self, timezone: &str) -> Site<'_> {
        let (account_id, key) = self.account(Role::User).await;
        let new = NewWebsite {
            account_id,
            domain: "site.example".into(),
            content_groups: vec![("Blog".into(), "/blog*".into())],
            timezone: Some(timezone.into()),
            ..NewWebsite::default()
        };
        let id = self.directory.add_website(new).await.unwrap().id;
        Site { house: self, id, key }
    }

    pub(crate) fn client(&self) -> Client {
        self.store.client()
    }

    pub(crate) fn reports(&self) -> Reports {
        Reports::new(&self.store, self.clock.clone())
    }
}

/// A website, and the key of the user who may see it.
pub(crate) struct Site<'h> {
    pub(crate) house: &'h House,
    pub(crate) id: Uuid,
    pub(crate) key: String,
}

impl Site<'_> {
    /// A report as a response: `summary?period=7d`.
    pub(crate) async fn get(&self, report: &str) -> Response {
        let (name, query) = report.split_once('?').unwrap_or((report, ""));
        let path = format!("/api/v1/reports/{name}?website_id={}&{query}", self.id);
        self.house.ask(Method::GET, &path, Some(&self.key), None).await
    }

    /// A report's data.
    pub(crate) async fn report(&self, report: &str) -> Value {
        let response = self.get(report).await;
        assert_eq!(response.status(), 200, "{report}: {}", response.text().await.unwrap());
        let mut body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], "success");
        body["data"].take()
    }

    /// The same website, looked at from another house over the same store.
    pub(crate) fn seen_from<'o>(&self, house: &'o House) -> Site<'o> {
        Site { house, id: self.id, key: self.key.clone() }
    }

    /// A report's table.
    pub(crate) async fn csv(&self, report: &str) -> String {
        let response = self.get(report).await;
        assert_eq!(response.status(), 200, "{report}");
        response.text().await.unwrap()
    }

    /// A visit by somebody, still to be told.
    pub(crate) fn visit(&self, who: &str) -> Visit {
        Visit::of(self.id, who)
    }

    /// Stores what happened.
    pub(crate) async fn store(&self, visits: impl IntoIterator<Item = Visit>) {
        let mut rows: Vec<EventRow> = visits.into_iter().flat_map(Visit::into_rows).collect();
        mark_first_of_day(&mut rows);
        self.store_rows(&rows).await;
    }

    /// Stores rows as they are.
    pub(crate) async fn store_rows(&self, rows: &[EventRow]) {
        let mut insert = self.house.client().insert::<EventRow>("events").await.unwrap();
        for row in rows {
            insert.write(row).await.unwrap();
        }
        insert.end().await.unwrap();
    }

    /// Everything in a range of days.
    pub(crate) fn scope(&self, start: &str, end: &str) -> Scope {
        let days = Days::between(day(start), day(end)).unwrap();
        Scope::new(self.id, days)
    }
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Moves the readers of a rollup to another table, as a change of its version does, and waits as long as that.
pub(crate) async fn move_readers(house: &House, rollup: &str, table: &str) {
    let client = house.client();
    let view = format!("CREATE OR REPLACE VIEW {rollup} AS SELECT * FROM {table}");
    client.query_raw(&view).execute().await.unwrap();
    client
        .query(
            "INSERT INTO rollup_tables (rollup, table_name, version, checksum, since_epoch, state)
             SELECT rollup, {table:String}, version, checksum, 7, state FROM rollup_tables
             WHERE rollup = {rollup:String} AND state = 'current' LIMIT 1",
        )
        .param("rollup", rollup)
        .param("table", table)
        .execute()
        .await
        .unwrap();
    tokio::time::sleep(KNOWN_FOR + Duration::from_secs(1)).await;
}
