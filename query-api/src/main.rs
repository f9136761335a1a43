//! `query-api`: the way out, as a process of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use directory::Directory;
use query_api::QueryApi;
use schema::migrate::{self, State};
use schema::store::StoreUrl;
use service::config::Rate;
use service::{Clock, MasterKey, Stop};
use tokio::net::TcpListener;

/// How long to wait for the store to come up and for another process to bring its tables up to date.
const SCHEMA_WAIT: Duration = Duration::from_mins(1);

/// Answers reports about what `ingest` has stored.
#[derive(Parser)]
#[command(name = "query-api", version)]
struct Config {
    /// The ClickHouse server: http(s)://[user:password@]host:port[/database].
    #[arg(long, env = "FOOTFALL_CLICKHOUSE_URL", hide_env_values = true)]
    clickhouse_url: StoreUrl,
    /// The secret that keys are sealed with: 32 random bytes, as 64 hexadecimal digits or as base64. The same in all
    /// processes.
    #[arg(long, env = "FOOTFALL_MASTER_KEY", hide_env_values = true)]
    master_key: MasterKey,
    /// The first admin's API key. Without it one is made at the first start and shown once.
    #[arg(long, env = "FOOTFALL_ADMIN_KEY", hide_env_values = true)]
    admin_key: Option<String>,
    /// The address to listen on.
    #[arg(long, env = "FOOTFALL_LISTEN", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    listen: IpAddr,
    /// The port to listen on.
    #[arg(long, env = "FOOTFALL_PORT", default_value_t = 8000)]
    port: u16,
    /// Requests per API key, like 60/60s, or off.
    #[arg(long, env = "FOOTFALL_API_LIMIT", default_value_t = query_api::API_LIMIT)]
    api_limit: Rate,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Config::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence for the operator, whatever the log's settings are.
            eprintln!("query-api: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    service::telemetry::init()?;
    // The TLS of an https store; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = service::stop::on_signal();
    tokio::select! {
        ready = wait_for_schema(&config.clickhouse_url) => ready?,
        () = stop.cancelled() => return Ok(()),
    }
    let clock = Clock::system();
    let directory = Directory::open(&config.clickhouse_url, &config.master_key, clock.clone())
        .await
        .context("the directory cannot be read")?;
    let key = directory
        .bootstrap_admin(config.admin_key.as_deref())
        .await
        .context("the first admin cannot be made")?;
    if let Some(key) = key {
        println!("The first admin's API key, shown this once: {key}");
    }
    let fresh = tokio::spawn(directory.clone().keep_fresh(stop.clone()));
    let router = query_api::router(QueryApi {
        store: config.clickhouse_url,
        directory,
        clock,
        api_limit: config.api_limit,
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
