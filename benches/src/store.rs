//! An embedded ClickHouse of a bench's own, with its process in sight, and databases of it in the forms that are compared.

use anyhow::Context as _;
use clickhouse::Client;
use sandbox::{Engine, EngineOptions};
use schema::migrate::{self, LockTimes, MIGRATIONS};
use schema::store::StoreUrl;

/// A ClickHouse on an empty folder, with the product's own settings and a query log. Stopped with the process.
pub struct Store {
    engine: Engine,
    _folder: tempfile::TempDir,
}

/// What becomes of a row that is inserted into `events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All of the product's tables and views.
    Whole,
    /// The table `events` as it is, without any view.
    Bare,
    /// A table with the columns of `events` that keeps nothing.
    Null,
}

impl Store {
    /// Starts it.
    pub async fn start() -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir()?;
        let child = sandbox::testing::child_command().await.map_err(anyhow::Error::msg)?;
        let options = EngineOptions { query_log: true, ..EngineOptions::new(folder.path(), child) };
        let engine = Engine::start(options).await.context("the engine does not start")?;
        Ok(Self { engine, _folder: folder })
    }

    /// The server's process.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.engine.pid().context("the engine is being started again")
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.engine.http_url()
    }

    /// A client that names no database.
    pub fn server(&self) -> anyhow::Result<Client> {
        Ok(StoreUrl::parse(&self.url())?.server())
    }

    /// A new database.
    pub async fn database(&self, name: &str, form: Form) -> anyhow::Result<StoreUrl> {
        let store = StoreUrl::parse(&self.url())?.with_database(name);
        if form == Form::Whole {
            migrate::up(&store).await?;
            return Ok(store);
        }
        migrate::up_with(&store, MIGRATIONS, &[], LockTimes::default()).await?;
        let client = store.client();
        client.query("DROP TABLE stream_positions_view SYNC").execute().await?;
        if form == Form::Null {
            client.query("CREATE OR REPLACE TABLE events AS events ENGINE = Null").execute().await?;
        }
        Ok(store)
    }

    /// Stops it in order. Clients are dropped before, since it waits for their connections.
    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.engine.stop().await?)
    }
}
