//! A way in of one's own: the router on a loopback port, a stream of either kind, and a loader that can be stopped.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clickhouse::Client;
use directory::{Directory, NewUser, NewWebsite, Role};
use ingest::config::{self, CollectConfig, Parts};
use ingest::load::{self, LoadConfig};
use ingest::stream::Stream;
use ingest::stream::journal::{Journal, JournalOptions};
use ingest::stream::kafka::{Kafka, KafkaOptions};
use ingest::surfaces::{self, App};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use schema::rows::{DeadLetterRow, EventRow};
use schema::store::StoreUrl;
use serde_json::{Value, json};
use service::config::Rate;
use service::{Clock, MasterKey, Stop};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longer than anything takes that works; shorter than a person waits for what does not.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// When the tests play: 2026-03-02 12:00 UTC.
pub(crate) const NOW: i64 = 1_772_452_800_000;

pub(crate) const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0";

/// How many partitions a stream of the tests has.
pub(crate) const PARTITIONS: u32 = 3;

/// Somebody with a browser.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// As a trusted proxy tells it.
    pub(crate) address: String,
    /// Empty: the header is not sent.
    pub(crate) agent: &'static str,
}

/// Somebody at an address, with Firefox.
pub(crate) fn at(address: impl Into<String>) -> Person {
    Person { address: address.into(), agent: FIREFOX }
}

/// Nobody in particular.
pub(crate) fn ann() -> Person {
    at("203.0.113.7")
}

/// The server of this test process, with a database that is not there yet.
pub(crate) async fn store_of_its_own() -> StoreUrl {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let engine = sandbox::testing::engine().await;
    let database = format!("ingest_{}", Uuid::new_v4().simple());
    let store = StoreUrl::parse(&engine.store_url).unwrap().with_database(&database);
    schema::migrate::up(&store).await.unwrap();
    // Here it is March 2026 for good, and by the store's own clock these events are older than ids are kept.
    store.client().query("SYSTEM STOP TTL MERGES events").execute().await.unwrap();
    store
}

/// The database that tests share which only look at their own website.
async fn shared_store() -> StoreUrl {
    static STORE: OnceCell<StoreUrl> = OnceCell::const_new();
    STORE.get_or_init(store_of_its_own).await.clone()
}

pub(crate) fn master() -> MasterKey {
    MasterKey::parse(&"5a".repeat(32)).unwrap()
}

/// What a stream stands on. Outlives the house.
pub(crate) enum Ground {
    Folder(TempDir),
    Cluster(MockCluster<'static, DefaultProducerContext>),
}

impl Ground {
    pub(crate) fn journal() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn kafka() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", PARTITIONS.cast_signed(), 1).unwrap();
        Self::Cluster(cluster)
    }

    pub(crate) async fn stream(&self) -> Arc<dyn Stream> {
        match self {
            Self::Folder(folder) => {
                Journal::open(JournalOptions::new(folder.path().join("journal"), PARTITIONS)).unwrap()
            }
            Self::Cluster(cluster) => {
                Kafka::open(KafkaOptions::new(cluster.bootstrap_servers(), PARTITIONS)).await.unwrap()
            }
        }
    }
}

/// A running way in.
pub(crate) struct House {
    pub(crate) store: StoreUrl,
    pub(crate) directory: Arc<Directory>,
    pub(crate) stream: Arc<dyn Stream>,
    pub(crate) clock: Clock,
    base: String,
    http: reqwest::Client,
    stop: Stop,
    /// What the stream stands on, where nobody else keeps it.
    kept: Vec<Ground>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A house on a journal, in the database that tests share, without a limit, that loads.
pub(crate) async fn house() -> House {
    house_with(Rate::Off).await
}

/// The same with a limit.
pub(crate) async fn house_with(limit: Rate) -> House {
    let ground = Ground::journal();
    let stream = ground.stream().await;
    let mut house = House::open(shared_store().await, stream, limit).await;
    house.kept.push(ground);
    // It loads until the house is dropped.
    drop(house.load(LoadConfig { linger: Duration::from_millis(10), ..LoadConfig::default() }));
    house
}

/// Serves a router until it is stopped; where it answers.
pub(crate) async fn serve(router: Router, stop: Stop) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(service::serve::serve(router, listener, stop));
    base
}

impl House {
    /// A house over a store and a stream. Nothing is loaded yet.
    pub(crate) async fn open(store: StoreUrl, stream: Arc<dyn Stream>, limit: Rate) -> Self {
        let (clock, stop) = (Clock::fixed(NOW), Stop::new());
        let directory = Directory::open(&store, &master(), clock.clone()).await.unwrap();
        let mut house = Self {
            store,
            directory,
            stream,
            clock,
            base: String::new(),
            http: reqwest::Client::new(),
            stop: stop.clone(),
            kept: Vec::new(),
        };
        let app = house.app(house.store.clone(), limit);
        house.base = serve(surfaces::alone(app), stop).await;
        house
    }

    /// The collect role of this house, over another store than the directory's when that is wanted.
    pub(crate) fn app(&self, store: StoreUrl, limit: Rate) -> App {
        let parts = Parts {
            store,
            master: master(),
            directory: Arc::clone(&self.directory),
            stream: Arc::clone(&self.stream),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
        };
        // A test says who calls with X-Forwarded-For.
        let proxies = "127.0.0.1".parse().unwrap();
        config::build(parts, CollectConfig { limit, proxies, ..CollectConfig::default() }).unwrap()
    }

    /// Starts a loader; it ends with its stop, or with the house.
    pub(crate) fn load(&self, config: LoadConfig) -> Loading {
        self.load_from(Arc::clone(&self.stream), self.store.client(), config)
    }

    /// Starts a loader that sees the stream or the store otherwise.
    pub(crate) fn load_from(&self, stream: Arc<dyn Stream>, store: Client, config: LoadConfig) -> Loading {
        let stop = self.stop.child_token();
        let run = load::run(stream, store, config, self.clock.clone(), stop.clone());
        Loading { stop, running: tokio::spawn(run) }
    }

    /// Where it answers, for a socket.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// A request to a path.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A collect request by somebody.
    pub(crate) fn collect(&self, person: &Person, body: impl Into<Body>) -> RequestBuilder {
        let mut request = self
            .request(Method::POST, "/api/v1/collect")
            .header("x-forwarded-for", &person.address)
            .header("content-type", "application/json");
        if !person.agent.is_empty() {
            request = request.header("user-agent", person.agent);
        }
        request.body(body)
    }

    /// Sends an event by somebody; the answer's status.
    pub(crate) async fn send(&self, person: &Person, event: &Value) -> StatusCode {
        self.collect(person, event.to_string()).send().await.unwrap().status()
    }

    /// How many records there are in the stream.
    pub(crate) async fn appended(&self) -> u64 {
        let mut end = 0;
        for partition in 0..self.stream.partitions() {
            end += self.stream.end(partition).await.unwrap();
        }
        end
    }

    /// Waits until everything that is in the stream is in the store.
    pub(crate) async fn settle(&self) {
        let settling = async {
            for partition in 0..self.stream.partitions() {
                let end = self.stream.end(partition).await.unwrap();
                while self.stream.committed(partition).await.unwrap() < end {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        tokio::time::timeout(PATIENCE, settling).await.expect("the stream is loaded");
    }

    /// The dead letters of this house's stream.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetterRow> {
        self.store
            .client()
            .query("SELECT ?fields FROM dead_letters WHERE stream = ? ORDER BY kafka_partition, kafka_offset")
            .bind(self.stream.id())
            .fetch_all()
            .await
            .unwrap()
    }

    /// A website of an account of its own.
    pub(crate) async fn site(&self) -> Site<'_> {
        self.site_with(NewWebsite::default()).await
    }

    /// The same with settings. The domain is example.com, like in the published examples.
    pub(crate) async fn site_with(&self, settings: NewWebsite) -> Site<'_> {
        let account_id = self.directory.add_account("Test").await.unwrap().id;
        let new = NewUser { account_id, website_id: None, email: String::new(), role: Role::User };
        let (_, key) = self.directory.add_user(new).await.unwrap();
        let new = NewWebsite { account_id, domain: "example.com".into(), ..settings };
        let id = self.directory.add_website(new).await.unwrap().id;
        Site { house: self, id, key: key.to_string() }
    }
}

/// A loader that runs.
pub(crate) struct Loading {
    stop: Stop,
    running: JoinHandle<()>,
}

impl Loading {
    /// Stops it, and waits until it has let go of everything.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("the loader ends").unwrap();
    }
}

impl Loading {
    /// Ends it where it is, as a crash would: what it has sent is on its way, nothing else is done.
    pub(crate) async fn die(self) {
        self.running.abort();
        let _ = self.running.await;
        self.stop.cancel();
    }
}

/// A test's own website, and the key of the user who may write its past.
pub(crate) struct Site<'h> {
    house: &'h House,
    pub(crate) id: Uuid,
    pub(crate) key: String,
}

impl<'h> Site<'h> {
    /// A website that a test made by itself.
    pub(crate) fn of(house: &'h House, id: Uuid, key: String) -> Self {
        Self { house, id, key }
    }

    /// A page view.
    pub(crate) fn view(&self, path: &str) -> Value {
        json!({
            "website_id": self.id,
            "event_type": "page_view",
            "url": format!("https://example.com{path}"),
            "path": path,
        })
    }

    /// A page view with other fields, or with some of them otherwise.
    pub(crate) fn view_with(&self, fields: Value) -> Value {
        let mut event = self.view("/");
        let Value::Object(fields) = fields else { panic!("{fields} are no fields") };
        for (name, value) in fields {
            event[name] = value;
        }
        event
    }

    /// All that is stored of the website, in the order in which it happened.
    pub(crate) async fn rows(&self) -> Vec<EventRow> {
        self.house.settle().await;
        self.house
            .store
            .client()
            .query("SELECT ?fields FROM events WHERE website_id = ? ORDER BY time, kafka_partition, kafka_offset")
            .bind(self.id)
            .fetch_all()
            .await
            .unwrap()
    }

    /// The only row.
    pub(crate) async fn row(&self) -> EventRow {
        let mut rows = self.rows().await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// Imports lines with the user's key.
    pub(crate) async fn import(&self, lines: impl Into<Body>) -> Response {
        let path = format!("/api/v1/import?website_id={}", self.id);
        let request = self.house.request(Method::POST, &path).header("x-api-key", &self.key);
        request.body(lines).send().await.unwrap()
    }

    /// Imports events, all of which are good, and waits until they are loaded.
    pub(crate) async fn import_all(&self, events: &[Value]) {
        let lines: Vec<_> = events.iter().map(Value::to_string).collect();
        let response = self.import(lines.join("\n")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["data"]["stored"], json!(events.len()), "{answer}");
        self.house.settle().await;
    }
}

/// Expects the published refusal: exactly its form, and no word of how it works inside.
pub(crate) async fn assert_refused(response: Response, status: u16, code: &str) -> String {
    assert_eq!(response.headers()["content-type"], "application/json");
    let (got, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(got, status, "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    let message = body["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(!message.is_empty(), "{text}");
    assert_eq!(body, json!({ "status": "error", "error": { "code": code, "message": message } }));
    for internal in
        ["::", "struct", "enum", "variant", "serde", ".rs", "DB", "Exception", "panicked", "error"]
    {
        assert!(!message.contains(internal), "{internal} in {message}");
    }
    message
}
