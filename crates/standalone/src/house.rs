//! Puts the parts together: one store, one stream, one directory, one router.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use directory::Directory;
use ingest::config::{CollectConfig, StreamConfig};
use ingest::load::{self, LoadConfig};
use ingest::stream::Stream;
use query_api::QueryApi;
use query_api::report::{CacheSize, Prefer};
use schema::migrate;
use schema::store::StoreUrl;
use service::config::Rate;
use service::operator::Operator;
use service::{Clock, MasterKey, Stop};
use tokio::task::JoinHandle;

/// What a house is made of.
pub struct HouseConfig {
    /// The ClickHouse that holds everything.
    pub store: StoreUrl,
    /// The master key.
    pub master: MasterKey,
    /// The stream.
    pub stream: StreamConfig,
    /// The collectors' settings.
    pub collect: CollectConfig,
    /// The loader's settings.
    pub load: LoadConfig,
    /// `FOOTFALL_API_LIMIT`: requests per API key. Default `60/60s`, as published.
    pub api_limit: Rate,
    /// `FOOTFALL_ROLLUPS`: whether reports may be answered from rollups. Default `on`.
    pub rollups: Prefer,
    /// `FOOTFALL_CACHE`: how much memory kept answers may take. Default `64MiB`.
    pub cache: CacheSize,
    /// The time.
    pub clock: Clock,
}

impl HouseConfig {
    /// Reads the settings from the environment; files lie in `data`.
    pub fn from_env(store: StoreUrl, master: MasterKey, data: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            store,
            master,
            stream: StreamConfig::from_env(data)?,
            collect: CollectConfig::from_env()?,
            load: LoadConfig::default(),
            api_limit: service::config::read("FOOTFALL_API_LIMIT")?.unwrap_or(query_api::API_LIMIT),
            rollups: query_api::rollups()?,
            cache: query_api::cache()?,
            clock: Clock::system(),
        })
    }
}

/// A house that is open: its router answers, its loader loads.
pub struct House {
    /// Every surface, on one port.
    pub router: Router,
    /// Accounts, users and websites.
    pub directory: Arc<Directory>,
    store: StoreUrl,
    stream: Arc<dyn Stream>,
    loading: JoinHandle<()>,
}

impl House {
    /// Migrates the store, opens the stream and starts the loader.
    pub async fn open(config: HouseConfig, stop: Stop) -> anyhow::Result<Self> {
        migrate::up(&config.store).await.context("the database could not be brought up to date")?;
        let directory = Directory::open(&config.store, &config.master, config.clock.clone()).await?;
        tokio::spawn(Arc::clone(&directory).keep_fresh(stop.clone()));
        let stream = config.stream.open(&stop).await?;
        tokio::spawn(ingest::upkeep::tend(config.store.clone(), config.clock.clone(), stop.clone()));
        let loading = tokio::spawn(load::run(
            Arc::clone(&stream),
            config.store.client(),
            config.load,
            config.clock.clone(),
            stop.clone(),
        ));
        let parts = ingest::config::Parts {
            store: config.store.clone(),
            master: config.master,
            directory: Arc::clone(&directory),
            stream: Arc::clone(&stream),
            clock: config.clock.clone(),
            stop: stop.clone(),
        };
        let collect = ingest::config::build(parts, config.collect)?;
        let reports = query_api::router(QueryApi {
            store: config.store.clone(),
            directory: Arc::clone(&directory),
            clock: config.clock,
            api_limit: config.api_limit,
            rollups: config.rollups,
            cache: config.cache,
        });
        let router = ingest::surfaces::router(collect).merge(reports);
        Ok(Self { router, directory, store: config.store, stream, loading })
    }

    /// Tells the operator what the house cannot work without, and how it is getting on.
    pub fn watched_by(&self, operator: &Operator, stop: &Stop) {
        if !operator.is_open() {
            return;
        }
        ingest::telemetry::describe();
        tokio::spawn(ingest::telemetry::watch_lag(Arc::clone(&self.stream), stop.clone()));
        let needs = ingest::telemetry::needs(self.store.client(), Arc::clone(&self.stream));
        let probes = vec![self.directory.probe(), ingest::telemetry::probe(Arc::clone(&self.stream))];
        operator.watch(needs, probes);
    }

    /// Waits for the loader to end (after the stop) and closes the stream.
    pub async fn close(self) {
        if let Err(error) = self.loading.await {
            tracing::error!(%error, "The loader died.");
        }
        self.stream.close().await;
    }
}
