//! `ingest`: the way in. `collect` takes events over HTTP, `load` brings them into ClickHouse, `all` does both.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use directory::Directory;
use ingest::config::{self, CollectConfig, StreamConfig};
use ingest::dead_letters::Which;
use ingest::load::{self, LoadConfig};
use ingest::stream::Stream;
use ingest::{dead_letters, surfaces, telemetry, upkeep};
use schema::migrate;
use schema::store::StoreUrl;
use service::config::{ConfigError, read, require};
use service::operator::{Operator, Probe};
use service::{Clock, MasterKey, Stop};
use tokio::net::TcpListener;

/// A request and a batch are hundreds of short-lived texts, and futures of several kilobytes: the system's allocator takes a
/// third of a request's processor time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes events over HTTP and loads them into ClickHouse. All settings come from the environment.
#[derive(Parser)]
#[command(name = "ingest", version, after_help = SETTINGS)]
struct Args {
    #[command(subcommand)]
    role: Role,
}

const SETTINGS: &str = "\
Settings:
  FOOTFALL_CLICKHOUSE_URL   http(s)://[user:password@]host:port[/database]; required
  FOOTFALL_CLUSTER          the cluster that it is a node of; without one it stands alone
  FOOTFALL_KAFKA            brokers as host:port,…; without them the journal is used, and only `all` works
  FOOTFALL_KAFKA_TOPIC      the topic on them; events
  FOOTFALL_KAFKA_GROUP      the consumer group of the loaders; footfall-load
  FOOTFALL_PARTITIONS       partitions of a new topic or journal; 4
  FOOTFALL_BRIDGE_BYTES     bytes of events that may wait on this disk while Kafka's brokers are away; 4 GiB
  FOOTFALL_DATA             the folder of the journal; data
  FOOTFALL_MASTER_KEY       32 random bytes as hexadecimal digits or base64, the same in all processes;
                            required by collect and all
  FOOTFALL_LISTEN           the address to listen on; 0.0.0.0
  FOOTFALL_PORT             the port to listen on; 8000
  FOOTFALL_COLLECT_LIMIT    TinyTrail's requests per website and client address, or off; 10/10s
  FOOTFALL_LENA_LIMIT       Lena's requests per client address, or off; 100/60s
  FOOTFALL_BITCAIN_LIMIT    bitcain's requests per API key, or off; 600/60s
  FOOTFALL_TRUSTED_PROXIES  whose X-Forwarded-For is believed: addresses and ranges; nobody's
  FOOTFALL_GEOIP            a country or city database in MaxMind's format; without one places are not known
  FOOTFALL_OPERATOR         the address of /metrics, /health and /ready, such as 127.0.0.1:9100; without one there are none
  FOOTFALL_LOG              a level or a filter, with the word json for JSON lines; info";

#[derive(Subcommand, Clone, PartialEq, Eq)]
enum Role {
    /// Take events over HTTP and put them into the stream.
    Collect,
    /// Load the stream into ClickHouse.
    Load,
    /// Both, in one process. The journal needs this: it belongs to one process.
    All,
    /// Show the records that could not be loaded, or put them into the stream again.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
}

#[derive(Subcommand, Clone, PartialEq, Eq)]
enum DeadLetters {
    /// Show the latest ones, with the reason and whether they were replayed.
    List {
        /// Only those of this reason: malformed, newer_version or refused_by_store.
        #[arg(long)]
        reason: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = dead_letters::LIST_LIMIT)]
        limit: u64,
    },
    /// Put them into the stream again, each once, when what was wrong is mended. Needs FOOTFALL_KAFKA. Run one at a time.
    Replay {
        /// Only those of this reason.
        #[arg(long)]
        reason: Option<String>,
        /// Also those whose replay was cut off. They may be in the stream already, and are then stored twice unless
        /// they have an event_id.
        #[arg(long)]
        unsure: bool,
    },
}

/// The settings. They are not flags: a process list shows those, and two of them are secrets.
struct Config {
    store: StoreUrl,
    stream: StreamConfig,
    collect: CollectConfig,
    listen: IpAddr,
    port: u16,
}

impl Config {
    fn from_env() -> Result<Self, ConfigError> {
        let data = read::<PathBuf>("FOOTFALL_DATA")?.unwrap_or_else(|| "data".into());
        Ok(Self {
            store: store()?,
            stream: StreamConfig::from_env(&data)?,
            collect: CollectConfig::from_env()?,
            listen: service::config::listen()?,
            port: service::config::port()?,
        })
    }
}

/// Where the store is, and of which cluster it is a node.
fn store() -> Result<StoreUrl, ConfigError> {
    Ok(require::<StoreUrl>("FOOTFALL_CLICKHOUSE_URL")?.in_cluster(read("FOOTFALL_CLUSTER")?))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args.role).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence for the operator, whatever the log's settings are.
            eprintln!("ingest: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

async fn run(role: Role) -> anyhow::Result<()> {
    service::telemetry::init()?;
    if let Role::DeadLetters(command) = role {
        return dead_letters(command).await;
    }
    let config = Config::from_env()?;
    if config.stream.kafka.is_none() && role != Role::All {
        bail!("collect and load apart need FOOTFALL_KAFKA; on one machine without Kafka run `ingest all`");
    }
    let master = match role {
        Role::Load | Role::DeadLetters(_) => None,
        Role::Collect | Role::All => Some(require::<MasterKey>("FOOTFALL_MASTER_KEY")?),
    };
    // The TLS of an https store; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stop = service::stop::on_signal();
    let operator = Operator::from_env(&stop).await?;
    telemetry::describe();
    let clock = Clock::system();
    migrate::up(&config.store).await.context("the database could not be brought up to date")?;
    let opened = match role {
        Role::Load => config.stream.open_for_loading(&stop).await,
        _ => config.stream.open(&stop).await,
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) if stop.is_cancelled() => {
            tracing::info!(cause = format!("{error:#}"), "The start was stopped.");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if operator.is_open() && role != Role::Collect {
        tokio::spawn(telemetry::watch_lag(Arc::clone(&stream), stop.clone()));
    }
    let loading = (role != Role::Collect).then(|| {
        tokio::spawn(upkeep::tend(config.store.clone(), clock.clone(), stop.clone()));
        let (client, clock) = (config.store.client(), clock.clone());
        tokio::spawn(load::run(Arc::clone(&stream), client, LoadConfig::default(), clock, stop.clone()))
    });
    let served = match master {
        Some(master) => collect(config, master, Arc::clone(&stream), clock, &operator, stop.clone()).await,
        None => {
            watch(&operator, &config.store, &stream, Vec::new());
            tracing::info!(partitions = stream.partitions(), "The loader runs.");
            stop.cancelled().await;
            Ok(())
        }
    };
    // Also when the server failed by itself.
    stop.cancel();
    if let Some(loading) = loading {
        loading.await?;
    }
    stream.close().await;
    served
}

async fn collect(
    config: Config,
    master: MasterKey,
    stream: Arc<dyn Stream>,
    clock: Clock,
    operator: &Operator,
    stop: Stop,
) -> anyhow::Result<()> {
    let directory = Directory::open(&config.store, &master, clock.clone())
        .await
        .context("the directory cannot be read")?;
    tokio::spawn(Arc::clone(&directory).keep_fresh(stop.clone()));
    watch(operator, &config.store, &stream, vec![directory.probe()]);
    let parts = config::Parts { store: config.store, master, directory, stream, clock, stop: stop.clone() };
    let app = config::build(parts, config.collect)?;
    let listener = TcpListener::bind((config.listen, config.port))
        .await
        .with_context(|| format!("port {} cannot be opened", config.port))?;
    tracing::info!(address = %listener.local_addr()?, "Events are collected.");
    service::serve::serve(surfaces::alone(app), listener, stop).await?;
    tracing::info!("The last request was answered.");
    Ok(())
}

/// Tells the operator what this process cannot work without.
fn watch(operator: &Operator, store: &StoreUrl, stream: &Arc<dyn Stream>, mut probes: Vec<Probe>) {
    probes.push(telemetry::probe(Arc::clone(stream)));
    operator.watch(telemetry::needs(store.client(), Arc::clone(stream)), probes);
}

async fn dead_letters(command: DeadLetters) -> anyhow::Result<()> {
    // The TLS of an https store; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = store()?.client();
    match command {
        DeadLetters::List { reason, limit } => {
            let letters = dead_letters::list(&store, reason.as_deref(), limit).await?;
            print!("{}", dead_letters::table(&letters));
            Ok(())
        }
        DeadLetters::Replay { reason, unsure } => {
            let data = read::<PathBuf>("FOOTFALL_DATA")?.unwrap_or_else(|| "data".into());
            let config = StreamConfig::from_env(&data)?;
            if config.kafka.is_none() {
                bail!(
                    "a replay needs FOOTFALL_KAFKA: a journal can only be written by the one process that has it open"
                );
            }
            let stream = config.open_now().await?;
            let which = Which { reason, unsure };
            let replayed = dead_letters::replay(&store, &*stream, &which, &Clock::system()).await;
            stream.close().await;
            println!("{} dead letters are in the stream again.", replayed?);
            Ok(())
        }
    }
}
