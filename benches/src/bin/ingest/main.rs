//! What one event costs the collector, from the socket to its answer 202: against bounds that no collector on this stack can
//! beat, and against the design that one would write first. All run in turn, in the same rounds. See the README.
//!
//! A program apart from `bench`, which has mimalloc: what is compared with runs in this one, with the system's allocator, as one
//! would write it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use benches::clock;
use benches::figures::{Figure, Figures, Output, Spread, Target};
use benches::http::{Answered, send};
use benches::process::{Places, Server, beside, free_port};
use clap::{Parser, Subcommand};
use directory::{Directory, NewUser, NewWebsite, Role, Website};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaErrorCode;
use schema::store::StoreUrl;
use service::{Clock, MasterKey};

mod baselines;
mod requests;

use baselines::Baseline;
use requests::{BATCH, Requests};

const CONNECTIONS: usize = 64;
const PARTITIONS: i32 = 4;
const TOPIC: &str = "bench";

/// Measures the collector, on an embedded ClickHouse of its own.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Option<Part>,
    /// A Kafka broker, as host:port; without one librdkafka's own mock is used, in this process.
    #[arg(long)]
    kafka: Option<String>,
    /// Rounds that count; one before them does not.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load on each in each round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Only those whose name is this; may be said several times.
    #[arg(long)]
    only: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// What this program also is: the processes that are measured.
#[derive(Subcommand)]
enum Part {
    /// Something to compare with.
    Baseline {
        what: Baseline,
        #[arg(long)]
        port: u16,
        #[arg(long)]
        brokers: String,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.role {
        Some(Part::Baseline { what, port, brokers }) => {
            baselines::serve(what, port, &brokers, TOPIC.to_owned()).await
        }
        None => measure(args).await,
    }
}

/// One that is measured, with one kind of request.
struct Contender<'a> {
    name: &'static str,
    server: &'a Server,
    requests: &'a [Vec<u8>],
    /// Events of a request.
    events: usize,
    rounds: Vec<Round>,
}

/// What a round showed of one.
struct Round {
    answered: Answered,
    events: f64,
    cpu: f64,
}

impl Contender<'_> {
    fn is(&self, name: &str) -> bool {
        self.name == name
    }

    fn per_cpu(&self) -> Vec<f64> {
        self.rounds.iter().map(|round| round.events / round.cpu).collect()
    }

    async fn run(&self, seconds: f64) -> anyhow::Result<Round> {
        // Sockets are new in each round, and the first answers of each are its own warming up.
        send(self.server.address(), self.requests, CONNECTIONS, Duration::from_millis(300)).await?;
        let before = clock::cpu(self.server.pid())?;
        let answered =
            send(self.server.address(), self.requests, CONNECTIONS, Duration::from_secs_f64(seconds))
                .await
                .with_context(|| self.name)?;
        // What is still on its way after the last answer, as where nobody waits for the brokers.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let cpu = clock::cpu(self.server.pid())?.saturating_sub(before).as_secs_f64();
        Ok(Round { events: (answered.requests * self.events as u64) as f64, answered, cpu })
    }
}

const ANSWER: &str = "L1: axum answers 202, body not read";
const FORGET: &str = "L2: axum, body into the producer, not awaited";
const FORWARD: &str = "L2d: axum, body into the producer, delivered";
const PLAIN: &str = "P: JSON in, enriched, JSON out, delivered";
const KAFKA: &str = "collector on Kafka";
const JOURNAL: &str = "collector on the journal";
const KAFKA_BATCH: &str = "collector on Kafka, batches of 100";
const JOURNAL_BATCH: &str = "collector on the journal, batches of 100";

async fn measure(args: Args) -> anyhow::Result<()> {
    let places = Places::find()?;
    places.take_mine()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = match &args.kafka {
        Some(_) => None,
        None => Some(mock()?),
    };
    let brokers = args
        .kafka
        .clone()
        .or_else(|| mock.as_ref().map(MockCluster::bootstrap_servers))
        .context("there are no brokers")?;
    if args.kafka.is_some() {
        make_topic(&brokers).await?;
    }
    let broker = if mock.is_some() { "librdkafka's mock" } else { "a real Apache Kafka" };

    let folder = tempfile::tempdir()?;
    let engine = sandbox::testing::engine().await;
    let store = StoreUrl::parse(&engine.store_url)?.with_database("bench_ingest");
    schema::migrate::up(&store).await?;
    let master = MasterKey::generate()?;
    let (websites, key) = people(&store, &master).await?;
    let Requests { single, batches } = requests::make(&websites, &key);

    let baseline = |what: &str| -> anyhow::Result<Server> {
        let port = free_port()?;
        let log = folder.path().join(what);
        Server::start(places, std::env::current_exe()?, port, &log, |command| {
            command.args(["baseline", what, "--port", &port.to_string(), "--brokers", &brokers])
        })
    };
    let product = |program: &Path, part: &str, kafka: Option<&str>| -> anyhow::Result<Server> {
        let port = free_port()?;
        let data = folder.path().join(if kafka.is_some() { "on-kafka" } else { "on-journal" });
        std::fs::create_dir_all(&data)?;
        Server::start(places, program, port, &data.join("log"), |command| {
            command
                .arg(part)
                .env("FOOTFALL_CLICKHOUSE_URL", format!("{}/bench_ingest", engine.store_url))
                .env("FOOTFALL_MASTER_KEY", master.to_base64().as_str())
                .env("FOOTFALL_DATA", &data)
                .env("FOOTFALL_LISTEN", "127.0.0.1")
                .env("FOOTFALL_PORT", port.to_string())
                .env("FOOTFALL_COLLECT_LIMIT", "off")
                .env("FOOTFALL_BITCAIN_LIMIT", "off")
                .env("FOOTFALL_TRUSTED_PROXIES", "127.0.0.1")
                .env_remove("FOOTFALL_GEOIP")
                .env_remove("FOOTFALL_KAFKA")
                .envs(kafka.map(|brokers| ("FOOTFALL_KAFKA", brokers)))
        })
    };
    let answer = baseline("answer")?;
    let forget = baseline("forget")?;
    let forward = baseline("forward")?;
    let plain = baseline("plain")?;
    let on_kafka = product(&beside("ingest")?, "collect", Some(&brokers))?;
    let on_journal = product(&beside("bench")?, "collector", None)?;

    let contender =
        |name, server, requests, events| Contender { name, server, requests, events, rounds: Vec::new() };
    let mut contenders = vec![
        contender(ANSWER, &answer, &single[..], 1),
        contender(FORGET, &forget, &single, 1),
        contender(KAFKA, &on_kafka, &single, 1),
        contender(JOURNAL, &on_journal, &single, 1),
        contender(FORWARD, &forward, &single, 1),
        contender(PLAIN, &plain, &single, 1),
        contender(KAFKA_BATCH, &on_kafka, &batches, BATCH),
        contender(JOURNAL_BATCH, &on_journal, &batches, BATCH),
    ];
    if !args.only.is_empty() {
        contenders.retain(|contender| args.only.iter().any(|name| contender.is(name)));
    }
    for round in 0..=args.rounds {
        for contender in &mut contenders {
            let measured = contender.run(args.seconds).await?;
            // The first fills caches and grows buffers.
            if round > 0 {
                contender.rounds.push(measured);
            }
        }
        eprintln!("Round {round} of {} is over.", args.rounds);
    }

    let about = format!(
        "Single events and batches of {BATCH} over {CONNECTIONS} kept connections, {} s each in {} rounds, in turn; {}. Kafka is {broker}, \
         with {PARTITIONS} partitions. CPU is the server's process with all its threads (producer, journal), user and system; \
         brokers, store and load are not in it. No geo database.",
        args.seconds,
        args.rounds,
        places.told(),
    );
    let mut figures = Figures::new("ingest", about);
    report(&mut figures, &contenders)?;
    for (name, server) in [(KAFKA, &on_kafka), (JOURNAL, &on_journal)] {
        let peak = clock::peak_memory(server.pid())? as f64 / f64::from(1 << 20);
        figures.add(Figure::new(
            format!("{name}: memory, at most"),
            Spread::once(peak),
            "MiB in RAM",
            "process, under this load",
        ));
    }
    figures.publish(&args.output)
}

fn report(figures: &mut Figures, contenders: &[Contender<'_>]) -> anyhow::Result<()> {
    for contender in contenders {
        let each = |value: &dyn Fn(&Round) -> f64| contender.rounds.iter().map(value).collect::<Vec<_>>();
        let name = contender.name;
        let mut add = |what: &str, unit: &str, per: &str, rounds: Vec<f64>| {
            figures.add_rounds(|value| Figure::new(format!("{name}: {what}"), value, unit, per), &rounds)
        };
        add("CPU", "µs", "event", each(&|round| 1e6 * round.cpu / round.events))?;
        add("events", "events", "CPU second", contender.per_cpu())?;
        add("rate", "events", "second", each(&|round| round.events / round.answered.took.as_secs_f64()))?;
        add("latency, median", "ms", "request", each(&|round| round.answered.latency_ms(0.5)))?;
        add("latency, p99", "ms", "request", each(&|round| round.answered.latency_ms(0.99)))?;
    }
    let find = |name: &str| contenders.iter().find(|contender| contender.is(name));
    let mut compare = |of: &str, against: &str, target: Option<Target>| {
        let (Some(one), Some(other)) = (find(of), find(against)) else { return };
        let Some(ratio) = Spread::ratios(&one.per_cpu(), &other.per_cpu()) else { return };
        let figure = Figure::ratio(of, ratio, "events per CPU second of the server", against);
        figures.add(match target {
            Some(target) => figure.target(target),
            None => figure,
        });
    };
    for product in [KAFKA, JOURNAL] {
        compare(product, ANSWER, None);
        compare(product, FORGET, Some(Target::AtLeast(0.6)));
        compare(product, FORWARD, None);
        compare(product, PLAIN, Some(Target::AtLeast(2.0)));
    }
    compare(KAFKA_BATCH, KAFKA, Some(Target::AtLeast(5.0)));
    compare(JOURNAL_BATCH, JOURNAL, Some(Target::AtLeast(5.0)));
    Ok(())
}

fn mock() -> anyhow::Result<MockCluster<'static, DefaultProducerContext>> {
    let mock = MockCluster::new(1).context("the mock of Kafka does not start")?;
    for topic in [TOPIC, "events"] {
        mock.create_topic(topic, PARTITIONS, 1)?;
    }
    Ok(mock)
}

async fn make_topic(brokers: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => anyhow::bail!("the topic {topic} could not be made: {code}"),
        }
    }
    Ok(())
}

/// The traffic's websites, the busiest first, and the key of somebody who writes to them.
async fn people(store: &StoreUrl, master: &MasterKey) -> anyhow::Result<(Vec<Arc<Website>>, String)> {
    let directory = Directory::open(store, master, Clock::system()).await?;
    let account = directory.add_account("bench").await?;
    let mut websites = Vec::new();
    for number in 0..benches::world::SITES {
        let domain = format!("site-{number}.example");
        let new = NewWebsite { account_id: account.id, domain, ..NewWebsite::default() };
        websites.push(directory.add_website(new).await?);
    }
    let website_id = websites.first().map(|website| website.id);
    let new = NewUser { account_id: account.id, website_id, email: String::new(), role: Role::User };
    let (_, key) = directory.add_user(new).await?;
    Ok((websites, key.to_string()))
}
