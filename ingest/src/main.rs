//! `ingest`: the way in. `collect` takes events over HTTP, `load` brings them into ClickHouse, `all` does both.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use directory::Directory;
use ingest::config::{self, CollectConfig, StreamConfig};
use ingest::load::{self, LoadConfig};
use ingest::surfaces;
use schema::migrate;
use schema::store::StoreUrl;
use service::{Clock, MasterKey, stop, telemetry};

/// Takes events over HTTP and loads them into ClickHouse.
#[derive(Parser)]
#[command(name = "ingest", version)]
struct Args {
    #[command(subcommand)]
    role: Role,
    /// The ClickHouse server: http(s)://[user:password@]host:port[/database].
    #[arg(long, env = "FOOTFALL_CLICKHOUSE_URL", hide_env_values = true, global = true)]
    clickhouse_url: Option<StoreUrl>,
    /// The folder of the journal, which is used when FOOTFALL_KAFKA is not set.
    #[arg(long, env = "FOOTFALL_DATA", default_value = "data", global = true)]
    data: PathBuf,
    /// The port of the collect role.
    #[arg(long, env = "FOOTFALL_PORT", default_value_t = 8000, global = true)]
    port: u16,
}

#[derive(Subcommand, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Take events over HTTP and put them into the stream.
    Collect,
    /// Load the stream into ClickHouse.
    Load,
    /// Both, in one process. The journal needs this: it belongs to one process.
    All,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init()?;
    // The TLS of an https store; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let store = args.clickhouse_url.context("say where ClickHouse is: FOOTFALL_CLICKHOUSE_URL")?;
    let stream_config = StreamConfig::from_env(&args.data)?;
    if stream_config.kafka.is_none() && args.role != Role::All {
        anyhow::bail!(
            "collect and load apart need FOOTFALL_KAFKA; on one machine without Kafka run `ingest all`"
        );
    }
    let stop = stop::on_signal();
    let clock = Clock::system();
    migrate::up(&store).await.context("the database could not be brought up to date")?;
    let stream = stream_config.open().await?;

    let loading = (args.role != Role::Collect).then(|| {
        tokio::spawn(load::run(
            stream.clone(),
            store.client(),
            LoadConfig::default(),
            clock.clone(),
            stop.clone(),
        ))
    });
    if args.role == Role::Load {
        tracing::info!(partitions = stream.partitions(), "The loader runs.");
        stop.cancelled().await;
    } else {
        let master: MasterKey = service::config::require("FOOTFALL_MASTER_KEY")?;
        let directory = Directory::open(&store, &master, clock.clone()).await?;
        tokio::spawn(directory.clone().keep_fresh(stop.clone()));
        let parts =
            config::Parts { store, master, directory, stream: stream.clone(), clock, stop: stop.clone() };
        let app = config::build(parts, CollectConfig::from_env()?)?;
        let address = SocketAddr::from(([0, 0, 0, 0], args.port));
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("port {} cannot be listened on", args.port))?;
        tracing::info!(port = args.port, "The collector listens.");
        let health = surfaces::health(&app);
        let router = surfaces::router(app).merge(health);
        service::serve::serve(router, listener, stop).await?;
    }
    if let Some(loading) = loading {
        loading.await?;
    }
    stream.close().await;
    Ok(())
}
