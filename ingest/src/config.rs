//! The settings of the way in, one struct per concern, and how the parts are put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use directory::Directory;
use schema::store::StoreUrl;
use service::client_address::TrustedProxies;
use service::config::{self, ConfigError, Rate};
use service::limits::Limiter;
use service::{Clock, MasterKey, Stop};

use crate::collect::Collector;
use crate::enrich::Enricher;
use crate::enrich::locate::Atlas;
use crate::enrich::pseudonymise::Pseudonymiser;
use crate::enrich::salts::Salts;
use crate::stream::Stream;
use crate::stream::bridge::{Bridge, BridgeOptions};
use crate::stream::journal::{Journal, JournalOptions};
use crate::stream::kafka::{Kafka, KafkaOptions};
use crate::surfaces::{App, Shared};

/// Which stream, and where.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// `FOOTFALL_KAFKA`: brokers as `host:port,…`; unset: the journal.
    pub kafka: Option<String>,
    /// `FOOTFALL_KAFKA_TOPIC`: the topic on them, also a part of every stored row's stream. Default `events`.
    pub topic: String,
    /// `FOOTFALL_KAFKA_GROUP`: the consumer group of the loaders. Default `footfall-load`.
    pub group: String,
    /// `FOOTFALL_PARTITIONS`: how many partitions a new stream gets. Default 4.
    pub partitions: u32,
    /// The journal's folder.
    pub journal: PathBuf,
    /// The folder of the journal that takes over while Kafka's brokers are away.
    pub bridge: PathBuf,
    /// `FOOTFALL_BRIDGE_BYTES`: how many bytes of records that journal may hold. Default 4 GiB, at least 1 MiB.
    pub bridge_bytes: u64,
}

/// The topic of events, and the loaders' consumer group, unless they are called otherwise.
const TOPIC_NAME: &str = "events";
const GROUP_NAME: &str = "footfall-load";

/// Room for two records of the largest size: with less a bridge could take nothing.
const LEAST_BRIDGE: u64 = 1 << 20;

impl StreamConfig {
    /// The journal, or what bridges an outage of Kafka, with its documented bounds; files lie in `data`.
    pub fn new(kafka: Option<String>, partitions: u32, data: &std::path::Path) -> Self {
        Self {
            kafka,
            topic: TOPIC_NAME.to_owned(),
            group: GROUP_NAME.to_owned(),
            partitions,
            journal: data.join("journal"),
            bridge: data.join("bridge"),
            bridge_bytes: 4 << 30,
        }
    }

    /// Reads the environment; files lie in `data`.
    pub fn from_env(data: &std::path::Path) -> Result<Self, ConfigError> {
        const PARTITIONS: &str = "FOOTFALL_PARTITIONS";
        const EXPECTED: &str = "a number from 1 to 1024";
        const TOPIC: &str = "FOOTFALL_KAFKA_TOPIC";
        const BRIDGE_BYTES: &str = "FOOTFALL_BRIDGE_BYTES";
        const BYTES: &str = "a number of bytes from 1048576 on";
        let partitions = config::read_as(PARTITIONS, EXPECTED)?.unwrap_or(4);
        if !(1..=1024).contains(&partitions) {
            return Err(ConfigError { name: PARTITIONS, reason: format!("expected {EXPECTED}") });
        }
        let topic = config::read(TOPIC)?.unwrap_or_else(|| TOPIC_NAME.to_owned());
        if !is_topic(&topic) {
            let reason = "expected up to 249 letters, digits, `.`, `_` and `-`".to_owned();
            return Err(ConfigError { name: TOPIC, reason });
        }
        let default = Self::new(config::read("FOOTFALL_KAFKA")?, partitions, data);
        let bridge_bytes = config::read_as(BRIDGE_BYTES, BYTES)?.unwrap_or(default.bridge_bytes);
        if bridge_bytes < LEAST_BRIDGE {
            return Err(ConfigError { name: BRIDGE_BYTES, reason: format!("expected {BYTES}") });
        }
        let group = config::read("FOOTFALL_KAFKA_GROUP")?.unwrap_or(default.group);
        Ok(Self { topic, group, bridge_bytes, ..default })
    }

    fn kafka(&self, brokers: &str) -> KafkaOptions {
        KafkaOptions {
            topic: self.topic.clone(),
            group: self.group.clone(),
            ..KafkaOptions::new(brokers, self.partitions)
        }
    }

    /// Opens the stream for a process that appends. With Kafka there is a bridge under it; at the very first start that
    /// waits for the brokers, until `stop`.
    pub async fn open(&self, stop: &Stop) -> anyhow::Result<Arc<dyn Stream>> {
        let Some(brokers) = &self.kafka else { return self.open_journal().await };
        let kafka = self.kafka(brokers);
        let options =
            BridgeOptions { max_bytes: self.bridge_bytes, ..BridgeOptions::new(kafka, &self.bridge) };
        Ok(Bridge::open(options, stop).await.context("the stream could not be opened")?)
    }

    /// Opens the stream for a process that only loads: nothing of it needs a bridge. Waits for the brokers, until `stop`.
    pub async fn open_for_loading(&self, stop: &Stop) -> anyhow::Result<Arc<dyn Stream>> {
        let Some(brokers) = &self.kafka else { return self.open_journal().await };
        let options = self.kafka(brokers);
        let kafka = Kafka::open_patiently(&options, stop)
            .await
            .context("FOOTFALL_KAFKA: Kafka could not be opened")?;
        Ok(kafka.context("no Kafka broker answered before the stop")?)
    }

    /// Opens the stream for one short piece of work. Fails when no broker answers.
    pub async fn open_now(&self) -> anyhow::Result<Arc<dyn Stream>> {
        let Some(brokers) = &self.kafka else { return self.open_journal().await };
        let kafka = Kafka::open(self.kafka(brokers));
        Ok(kafka.await.context("FOOTFALL_KAFKA: Kafka could not be opened")?)
    }

    async fn open_journal(&self) -> anyhow::Result<Arc<dyn Stream>> {
        self.look_for_a_backlog().await;
        let options = JournalOptions::new(&self.journal, self.partitions);
        let opened = tokio::task::spawn_blocking(move || Journal::open(options)).await?;
        Ok(opened.context("the journal could not be opened")?)
    }

    /// Tells the operator when an earlier life on Kafka left events that it could not send.
    async fn look_for_a_backlog(&self) {
        let options = JournalOptions::new(&self.bridge, self.partitions);
        let looked = tokio::task::spawn_blocking(move || Journal::open_existing(options)).await;
        let Ok(Ok(Some(bridge))) = looked else { return };
        let records = bridge.stored_records().unwrap_or(0);
        if records > 0 {
            tracing::warn!(
                records,
                path = %self.bridge.display(),
                "Events wait for Kafka in the bridge's journal; they are sent when FOOTFALL_KAFKA is set again."
            );
        }
        bridge.close().await;
    }
}

/// What Kafka takes for a topic's name.
fn is_topic(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !matches!(name, "." | "..")
}

/// How often the geo database's file is looked at: it is replaced once a week or so, and asking its size costs nothing.
const GEOIP_LOOKED_AT: Duration = Duration::from_secs(30);

/// What collectors need.
#[derive(Debug, Clone)]
pub struct CollectConfig {
    /// `FOOTFALL_COLLECT_LIMIT`: TinyTrail's requests per website and client address. Default `10/10s`, as published.
    pub limit: Rate,
    /// `FOOTFALL_LENA_LIMIT`: Lena's requests per client address. Default `100/60s`, as published.
    pub lena_limit: Rate,
    /// `FOOTFALL_BITCAIN_LIMIT`: bitcain's requests per API key; none is published. Default `600/60s`: ten a second, a
    /// hundred events each, is more than one server has to say.
    pub bitcain_limit: Rate,
    /// `FOOTFALL_TRUSTED_PROXIES`: whose forwarded addresses are believed. Default: nobody's.
    pub proxies: TrustedProxies,
    /// `FOOTFALL_GEOIP`: a MaxMind country or city database; unset: places are not known. A new file is taken
    /// within half a minute.
    pub geoip: Option<PathBuf>,
}

impl Default for CollectConfig {
    fn default() -> Self {
        Self {
            limit: Rate::per_seconds(10, 10),
            lena_limit: Rate::per_seconds(100, 60),
            bitcain_limit: Rate::per_seconds(600, 60),
            proxies: TrustedProxies::default(),
            geoip: None,
        }
    }
}

impl CollectConfig {
    /// Reads the environment.
    pub fn from_env() -> Result<Self, ConfigError> {
        let default = Self::default();
        Ok(Self {
            limit: config::read("FOOTFALL_COLLECT_LIMIT")?.unwrap_or(default.limit),
            lena_limit: config::read("FOOTFALL_LENA_LIMIT")?.unwrap_or(default.lena_limit),
            bitcain_limit: config::read("FOOTFALL_BITCAIN_LIMIT")?.unwrap_or(default.bitcain_limit),
            proxies: config::read("FOOTFALL_TRUSTED_PROXIES")?.unwrap_or_default(),
            geoip: config::read("FOOTFALL_GEOIP")?,
        })
    }
}

/// Everything that the collect role is made of.
pub struct Parts {
    /// The store.
    pub store: StoreUrl,
    /// The master key.
    pub master: MasterKey,
    /// The directory, kept fresh by the caller.
    pub directory: Arc<Directory>,
    /// The stream.
    pub stream: Arc<dyn Stream>,
    /// The time.
    pub clock: Clock,
    /// The end.
    pub stop: Stop,
}

/// Puts the collect role together and starts tending the salts. The result's router is [`crate::surfaces::router`].
pub fn build(parts: Parts, config: CollectConfig) -> anyhow::Result<App> {
    let atlas = match &config.geoip {
        Some(path) => Atlas::open(path).context("FOOTFALL_GEOIP")?,
        None => Atlas::empty(),
    };
    let atlas = Arc::new(atlas);
    tokio::spawn(Arc::clone(&atlas).keep_fresh(GEOIP_LOOKED_AT, parts.stop.clone()));
    let client = parts.store.client();
    let salts = Salts::new(client.clone(), &parts.master, parts.clock.clone());
    tokio::spawn(Arc::clone(&salts).tend(parts.stop.clone()));
    let pseudonymiser = Pseudonymiser::new(salts, &parts.master, parts.stream.partitions());
    let enricher = Enricher::new(pseudonymiser, atlas);
    Ok(App::from(Shared {
        collector: Arc::new(Collector::new(parts.directory, enricher, parts.stream)),
        collect_limit: Limiter::new(config.limit),
        lena_limit: Limiter::new(config.lena_limit),
        bitcain_limit: Limiter::new(config.bitcain_limit),
        proxies: config.proxies,
        clock: parts.clock,
        store: Arc::new(client),
        stop: parts.stop,
    }))
}
