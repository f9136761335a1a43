//! What the directory's tests share: databases on the one engine of the test process, and a line that can be cut.

// Each test file uses its part of it, and a house that cannot be built is a failure of the test.
#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use directory::{Directory, DirectoryError, NewWebsite};
use schema::store::StoreUrl;
use service::{Clock, MasterKey};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

/// A database with the tables, and the master key of the processes that use it.
#[derive(Clone)]
pub(crate) struct House {
    store: StoreUrl,
    engine: String,
    master: MasterKey,
}

impl House {
    /// The database that tests of one file share, each with accounts of its own.
    pub(crate) async fn shared() -> Self {
        static SHARED: OnceCell<House> = OnceCell::const_new();
        SHARED.get_or_init(Self::alone).await.clone()
    }

    /// A database for one test.
    pub(crate) async fn alone() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let engine = sandbox::testing::engine().await.store_url.clone();
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let store = StoreUrl::parse(&engine).unwrap().with_database(&name);
        schema::migrate::up(&store).await.unwrap();
        Self { store, engine, master: MasterKey::generate().unwrap() }
    }

    /// A process that uses the house.
    pub(crate) async fn open(&self) -> Arc<Directory> {
        self.open_with(Clock::system()).await
    }

    pub(crate) async fn open_with(&self, clock: Clock) -> Arc<Directory> {
        Directory::open(&self.store, &self.master, clock).await.unwrap()
    }

    pub(crate) async fn try_open_under(&self, master: &MasterKey) -> Result<Arc<Directory>, DirectoryError> {
        Directory::open(&self.store, master, Clock::system()).await
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.store.client().query_raw(sql).execute().await.unwrap();
    }

    pub(crate) async fn ask(&self, sql: &str) -> String {
        self.store.client().query(sql).fetch_one::<String>().await.unwrap()
    }

    /// The domains of an account as a process that has just started sees them, sorted.
    pub(crate) async fn websites_of(&self, account: Uuid) -> Vec<String> {
        let snapshot = self.open().await.snapshot();
        let websites = snapshot.websites().iter().filter(|website| website.account_id == account);
        let mut domains: Vec<_> = websites.map(|website| website.domain.clone()).collect();
        domains.sort();
        domains
    }
}

pub(crate) fn new_website(account_id: Uuid, domain: &str) -> NewWebsite {
    NewWebsite { account_id, domain: domain.into(), ..NewWebsite::default() }
}

/// Waits until something has happened; fails when it does not.
pub(crate) async fn soon(what: &str, happened: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not happen: {what}");
}

/// A connection to the engine that can be cut and mended.
pub(crate) struct Line {
    house: House,
    port: u16,
    forwarding: JoinHandle<()>,
}

impl Line {
    pub(crate) async fn to(house: &House) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let forwarding = tokio::spawn(forward(listener, authority(&house.engine)));
        Self { house: house.clone(), port, forwarding }
    }

    /// A process at the other end of the line.
    pub(crate) async fn open(&self) -> Arc<Directory> {
        let url =
            self.house.engine.replace(&authority(&self.house.engine), &format!("127.0.0.1:{}", self.port));
        let store = StoreUrl::parse(&url).unwrap().with_database(self.house.store.database());
        Directory::open(&store, &self.house.master, Clock::system()).await.unwrap()
    }

    pub(crate) async fn cut(&mut self) {
        self.forwarding.abort();
        assert!((&mut self.forwarding).await.is_err_and(|ended| ended.is_cancelled()));
    }

    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.forwarding = tokio::spawn(forward(listener, authority(&self.house.engine)));
    }
}

/// `host:port` of a URL.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or_default();
    rest.rsplit('@').next().unwrap_or_default().to_owned()
}

async fn forward(listener: TcpListener, target: String) {
    // Dropped, and with it every connection, when the line is cut.
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let target = target.clone();
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(target).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
