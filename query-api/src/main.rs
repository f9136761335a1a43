//! `query-api`: the way out, as a process of its own.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use directory::Directory;
use query_api::QueryApi;
use query_api::report::{CacheSize, Prefer};
use schema::migrate::{self, State};
use schema::store::StoreUrl;
use service::config::{self, ConfigError, Rate};
use service::operator::{Need, Operator};
use service::{Clock, MasterKey, Stop};
use tokio::net::TcpListener;

/// How long to wait for the store to come up and for another process to bring its tables up to date.
const SCHEMA_WAIT: Duration = Duration::from_mins(1);

/// Answers reports about what `ingest` has stored. All settings come from the environment.
#[derive(Parser)]
#[command(name = "query-api", version, after_help = SETTINGS)]
struct Args;

const SETTINGS: &str = "\
Settings:
  FOOTFALL_CLICKHOUSE_URL  http(s)://[user:password@]host:port[/database]; required
  FOOTFALL_CLUSTER         the cluster that it is a node of; without one it stands alone
  FOOTFALL_MASTER_KEY      32 random bytes as hexadecimal digits or base64, the same in all processes; required
  FOOTFALL_ADMIN_KEY       the first admin's API key; without it one is made at the first start and shown once
  FOOTFALL_LISTEN          the address to listen on; 0.0.0.0
  FOOTFALL_PORT            the port to listen on; 8000
  FOOTFALL_API_LIMIT       requests per API key, or off; 60/60s
  FOOTFALL_ROLLUPS         off: reports are answered from the events alone; on
  FOOTFALL_CACHE           memory for kept answers, such as 64MiB, or off; 64MiB
  FOOTFALL_OPERATOR        the address of /metrics, /health and /ready, such as 127.0.0.1:9100; without one there are none
  FOOTFALL_LOG             a level or a filter, with the word json for JSON lines; info";

/// The settings. They are not flags: a process list shows those, and two of them are secrets.
struct Config {
    store: StoreUrl,
    master_key: MasterKey,
    admin_key: Option<String>,
    listen: IpAddr,
    port: u16,
    api_limit: Rate,
    rollups: Prefer,
    cache: CacheSize,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            store: config::require::<StoreUrl>("FOOTFALL_CLICKHOUSE_URL")?
                .in_cluster(config::read("FOOTFALL_CLUSTER")?),
            master_key: config::require("FOOTFALL_MASTER_KEY")?,
            admin_key: config::read(directory::ADMIN_KEY_VARIABLE)?,
            listen: config::listen()?,
            port: config::port()?,
            api_limit: config::read("FOOTFALL_API_LIMIT")?.unwrap_or(query_api::API_LIMIT),
            rollups: query_api::rollups()?,
            cache: query_api::cache()?,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args = Args::parse();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence for the operator, whatever the log's settings are.
            eprintln!("query-api: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    service::telemetry::init()?;
    let config = Config::from_env()?;
    // The TLS of an https store; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = service::stop::on_signal();
    let operator = Operator::from_env(&stop).await?;
    tokio::select! {
        ready = wait_for_schema(&config.store) => ready?,
        () = stop.cancelled() => return Ok(()),
    }
    let clock = Clock::system();
    let directory = Directory::open(&config.store, &config.master_key, clock.clone())
        .await
        .context("the directory cannot be read")?;
    let key = directory
        .bootstrap_admin(config.admin_key.as_deref())
        .await
        .context("the first admin cannot be made")?;
    if let Some(key) = key {
        println!("The first admin's API key, shown this once: {key}");
    }
    operator.watch(vec![Need::new("store", query_api::store_check(&config.store))], vec![directory.probe()]);
    let fresh = tokio::spawn(directory.clone().keep_fresh(stop.clone()));
    let router = query_api::router(QueryApi {
        store: config.store,
        directory,
        clock,
        api_limit: config.api_limit,
        rollups: config.rollups,
        cache: config.cache,
    });
    let served = serve(router, config.listen, config.port, stop.clone()).await;
    // Also when the server failed by itself.
    stop.cancel();
    fresh.await?;
    served
}

async fn serve(router: axum::Router, listen: IpAddr, port: u16, stop: Stop) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind((listen, port)).await.with_context(|| format!("port {port} cannot be opened"))?;
    tracing::info!(address = %listener.local_addr()?, "Reports are answered.");
    service::serve::serve(router, listener, stop).await?;
    tracing::info!("The last request was answered.");
    Ok(())
}

/// Waits until the tables are as this release knows them. Another process migrates; this one only reads.
async fn wait_for_schema(store: &StoreUrl) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + SCHEMA_WAIT;
    let mut told = false;
    loop {
        let missing = match migrate::status(store).await {
            Ok(states) => match what_is_missing(&states)? {
                None => return Ok(()),
                Some(missing) => anyhow::anyhow!("the database needs `migrate up`: {missing} is pending"),
            },
            Err(error) => anyhow::Error::new(error).context("the store does not answer"),
        };
        if tokio::time::Instant::now() >= deadline {
            return Err(missing);
        }
        if !told {
            let reason = format!("{missing:#}");
            tracing::info!(reason, "Waiting for the store and its tables.");
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The first migration that has yet to run; refuses tables that are of another making.
fn what_is_missing(states: &[(String, State)]) -> anyhow::Result<Option<&str>> {
    let mut pending = None;
    for (name, state) in states {
        match state {
            State::Applied => {}
            State::Pending => pending = pending.or(Some(name.as_str())),
            State::Edited => bail!("the migration {name} was edited after it ran"),
            // A newer release only adds; the way out goes on while the house is brought up to date around it.
            State::Unknown => tracing::warn!(migration = name, "The database is of a newer release."),
        }
    }
    Ok(pending)
}
