//! A whole house for tests: one per test process, on the real engine; each test owns a website.

use std::sync::OnceLock;
use std::time::Duration;

use ingest::config::{CollectConfig, StreamConfig};
use ingest::load::LoadConfig;
use query_api::QueryApi;
use query_api::report::{CacheSize, Prefer};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::config::Rate;
use service::{Clock, MasterKey, Stop};
use standalone::house::{House, HouseConfig};
use tokio::net::TcpListener;
use uuid::Uuid;

/// A user agent that is nobody's bot.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0";

/// A running house.
#[derive(Clone)]
pub struct TestHouse {
    /// Where it answers.
    pub url: String,
    /// Where the reports are answered from the events alone, if anywhere.
    pub events_url: Option<String>,
    /// The admin's key.
    pub key: String,
    /// Its store, for looking behind the reports.
    pub store: StoreUrl,
    /// The same as other programs are told.
    pub store_url: String,
}

/// The house of this test process.
pub fn house() -> &'static TestHouse {
    static HOUSE: OnceLock<TestHouse> = OnceLock::new();
    HOUSE.get_or_init(|| TestHouse::open(4))
}

impl TestHouse {
    /// A house of its own: its database, its journal with so many partitions. It stays open until the process ends.
    pub fn open(partitions: u32) -> Self {
        Self::open_on(partitions, None)
    }

    /// The same on Kafka, where brokers are named: on the topic `events` there, with the partitions that it has.
    pub fn open_on(partitions: u32, brokers: Option<String>) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        // On a thread of its own: every test's runtime ends with the test.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(open(partitions, brokers, &tell));
        });
        told.recv().expect("the house of the tests did not open")
    }
}

async fn open(partitions: u32, brokers: Option<String>, tell: &std::sync::mpsc::Sender<TestHouse>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let engine = sandbox::testing::engine().await;
    let mut store_url = url::Url::parse(&engine.store_url).unwrap();
    store_url.set_path(&format!("test_house_{}", Uuid::new_v4().simple()));
    let store_url = store_url.to_string();
    let store = StoreUrl::parse(&store_url).unwrap();
    let journal = tempfile::tempdir().unwrap();
    let config = HouseConfig {
        store: store.clone(),
        master: MasterKey::generate().unwrap(),
        stream: StreamConfig::new(brokers, partitions, journal.path()),
        collect: CollectConfig {
            limit: Rate::Off,
            // A test says who calls with X-Forwarded-For.
            proxies: "127.0.0.1".parse().unwrap(),
            ..CollectConfig::default()
        },
        load: LoadConfig { linger: Duration::from_millis(50), ..LoadConfig::default() },
        api_limit: Rate::Off,
        rollups: Prefer::Auto,
        cache: CacheSize::default(),
        clock: Clock::system(),
    };
    let stop = Stop::new();
    let house = House::open(config, stop.clone()).await.unwrap();
    let key = house.directory.bootstrap_admin(None).await.unwrap().unwrap().to_string();
    let from_events = query_api::router(QueryApi {
        store: store.clone(),
        directory: house.directory.clone(),
        clock: Clock::system(),
        api_limit: Rate::Off,
        rollups: Prefer::EventsOnly,
        cache: CacheSize::default(),
    });
    let (listener, url) = listen().await;
    let (events_listener, events_url) = listen().await;
    tokio::spawn(service::serve::serve(from_events, events_listener, stop.clone()));
    tell.send(TestHouse { url, events_url: Some(events_url), key, store, store_url }).unwrap();
    service::serve::serve(house.router.clone(), listener, stop).await.unwrap();
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

impl TestHouse {
    /// A request with the admin's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.url)).header("x-api-key", &self.key)
    }

    /// A new website with a domain of its own; `settings` are merged into the request.
    pub async fn website(&self, settings: Value) -> Site {
        let domain = format!("{}.example", Uuid::new_v4().simple());
        let mut body = json!({ "domain": domain });
        for (name, value) in settings.as_object().cloned().unwrap_or_default() {
            body[name] = value;
        }
        let response = self.request(Method::POST, "/api/v1/websites").json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let website: Value = response.json().await.unwrap();
        Site {
            id: website["data"]["id"].as_str().unwrap().to_owned(),
            domain: website["data"]["domain"].as_str().unwrap().to_owned(),
        }
    }

    /// A report's `data`; `query` is its path and query after `/reports/`, without the website.
    pub async fn report(&self, site: &Site, query: &str) -> Value {
        report_at(&self.url, &self.key, site, query).await.0
    }

    /// The same, and from the events alone where that is possible, each with the source that it says it came from.
    pub async fn report_both_ways(&self, site: &Site, query: &str) -> Vec<(Value, String)> {
        let mut answers = Vec::new();
        for base in [Some(&self.url), self.events_url.as_ref()].into_iter().flatten() {
            answers.push(report_at(base, &self.key, site, query).await);
        }
        answers
    }

    /// Waits until everything in the stream is in the store.
    pub async fn settle(&self, site: &Site) {
        loop {
            let path = format!("/api/v1/import?website_id={}&wait=true", site.id);
            let response = self.request(Method::POST, &path).send().await.unwrap();
            let answer: Value = response.json().await.unwrap();
            if answer["data"]["loaded"] == json!(true) {
                return;
            }
        }
    }
}

async fn report_at(base: &str, key: &str, site: &Site, query: &str) -> (Value, String) {
    let join = if query.contains('?') { '&' } else { '?' };
    let path = format!("{base}/api/v1/reports/{query}{join}website_id={}", site.id);
    let response = Client::new().get(&path).header("x-api-key", key).send().await.unwrap();
    let status = response.status();
    let source =
        response.headers().get("x-footfall-source").map(|source| source.to_str().unwrap().to_owned());
    let body: Value = response.json().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    (body["data"].clone(), source.unwrap())
}

/// A test's own website.
pub struct Site {
    /// Its id.
    pub id: String,
    /// Its domain.
    pub domain: String,
}
