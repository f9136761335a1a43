//! What a row costs from the stream into the store, with everything that the loader does for it, against the least that any loader
//! could do: the same rows as a finished block into the same table without views. See the README.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use benches::block::{Block, Encoder};
use benches::clock;
use benches::figures::{Figure, Figures, Output, Spread, Target, amount};
use benches::rows;
use benches::store::{Form, Store};
use benches::traffic::{Shape, Traffic};
use bytes::Bytes;
use ingest::load::{self, LoadConfig};
use ingest::stream::journal::{Journal, JournalOptions};
use ingest::stream::{Record, Stream};
use schema::event::Event;
use schema::store::StoreUrl;
use service::{Clock, Stop};

/// 2026-01-05, a Monday.
const FIRST_DAY: u16 = 20_458;

/// Measures the loader, on an embedded ClickHouse of its own.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows of a block; several sizes are measured.
    #[arg(long, value_delimiter = ',', default_value = "10k,100k,500k", value_parser = amount)]
    blocks: Vec<u64>,
    /// In each round so many rows of each size, in whole blocks.
    #[arg(long, default_value = "300k", value_parser = amount)]
    rows: u64,
    /// Rounds that count; one before them does not.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    output: Output,
}

/// Processor seconds, and seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    footfall: f64,
    store: f64,
    wall: f64,
}

impl Spent {
    fn all(&self) -> f64 {
        self.footfall + self.store
    }
}

/// What was spent on one size of block, round by round.
struct Size {
    block_rows: u64,
    blocks: u64,
    bytes: f64,
    bare: Vec<Spent>,
    null: Vec<Spent>,
    views: Vec<Spent>,
    loaded: Vec<Spent>,
    /// The most memory of this process while it loaded, in MiB.
    memory: Vec<f64>,
}

struct Bench {
    store: Store,
    http: reqwest::Client,
    encoder: Encoder,
    whole: StoreUrl,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let store = Store::start().await?;
    let whole = store.database("bench_load", Form::Whole).await?;
    store.database("bench_bare", Form::Bare).await?;
    store.database("bench_null", Form::Null).await?;
    store.database("bench_views", Form::Whole).await?;
    // Merges come later and in bursts; what they cost hangs on how many parts there are, not on who made them.
    store.server()?.query("SYSTEM STOP MERGES").execute().await?;
    let bench = Bench { store, http: reqwest::Client::new(), encoder: Encoder::start().await?, whole };
    let mut sizes: Vec<Size> = args.blocks.iter().map(|rows| Size::of(*rows, args.rows)).collect();
    for round in 0..=args.rounds {
        for size in &mut sizes {
            bench.round(size, round as u64).await?;
        }
        eprintln!("Round {round} of {} is over.", args.rounds);
    }
    let about = format!(
        "Live events (one day, with ids) in blocks of one partition, {} rounds, in turn. CPU is user and system time of ClickHouse's \
         process and of Footfall's (this one: journal, loader, client); merges were stopped. `bare`: the same rows as a finished block \
         into `events` without views; `null`: into a table that keeps nothing; `views`: with all views; `loaded`: from the journal, through \
         the loader, with claims of ids, plans and commits.",
        args.rounds
    );
    let mut figures = Figures::new("load", about);
    for size in &sizes {
        size.report(&mut figures)?;
    }
    figures.publish(&args.output)?;
    let Bench { store, http, encoder, whole } = bench;
    drop((http, encoder, whole));
    store.stop().await
}

impl Size {
    fn of(block_rows: u64, rows: u64) -> Self {
        let blocks = (rows / block_rows.max(1)).max(1);
        let (bare, null, views, loaded, memory) = Default::default();
        Self { block_rows, blocks, bytes: 0.0, bare, null, views, loaded, memory }
    }

    fn rows(&self) -> f64 {
        (self.block_rows * self.blocks) as f64
    }

    fn report(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let (rows, name) = (self.rows(), format!("{}k rows per block", self.block_rows / 1000));
        figures.add(Figure::new(
            format!("{name}: a block"),
            Spread::once(self.bytes),
            "bytes",
            "row, on the wire",
        ));
        for (what, spent) in
            [("null", &self.null), ("bare", &self.bare), ("views", &self.views), ("loaded", &self.loaded)]
        {
            let each = |value: &dyn Fn(&Spent) -> f64| spent.iter().map(value).collect::<Vec<_>>();
            let mut add = |part: &str, unit: &str, per: &str, rounds: Vec<f64>| {
                figures.add_rounds(
                    |value| Figure::new(format!("{name}, {what}: {part}"), value, unit, per),
                    &rounds,
                )
            };
            add("CPU", "µs", "row, both processes", each(&|spent| 1e6 * spent.all() / rows))?;
            add("CPU of ClickHouse", "µs", "row", each(&|spent| 1e6 * spent.store / rows))?;
            add("CPU of Footfall", "µs", "row", each(&|spent| 1e6 * spent.footfall / rows))?;
            add("rate", "rows", "second", each(&|spent| rows / spent.wall))?;
        }
        figures.add_rounds(
            |value| {
                let figure = format!("{name}, loaded: memory, at most");
                Figure::new(figure, value, "MiB in RAM", "process of the loader")
            },
            &self.memory,
        )?;
        let all = |spent: &[Spent]| spent.iter().map(Spent::all).collect::<Vec<_>>();
        let stores = |spent: &[Spent]| spent.iter().map(|spent| spent.store).collect::<Vec<_>>();
        let mut compare = |figure: &str, ratio: Option<Spread>, per: &str, of: &str, target: Target| {
            let ratio = ratio.context("no rounds")?;
            figures.add(Figure::ratio(format!("{name}: {figure}"), ratio, per, of).target(target));
            anyhow::Ok(())
        };
        let loaded = Spread::ratios(&all(&self.bare), &all(&self.loaded));
        let per = "rows per CPU second of both processes";
        compare("loaded from the stream", loaded, per, "the bare insert", Target::AtLeast(0.5))?;
        let views = Spread::ratios(&stores(&self.views), &stores(&self.bare));
        compare(
            "insert with views",
            views,
            "CPU of ClickHouse per row",
            "the bare insert",
            Target::AtMost(2.0),
        )?;
        let own: Vec<f64> = self.loaded.iter().map(|spent| spent.footfall).collect();
        let share = Spread::ratios(&own, &all(&self.loaded));
        let per = "CPU of Footfall's process while loading";
        compare("decode, sessionise, encode", share, per, "CPU of both processes", Target::AtMost(0.25))
    }
}

impl Bench {
    async fn round(&self, size: &mut Size, round: u64) -> anyhow::Result<()> {
        // Websites, people and ids are new in each round and for each size.
        let seed = 1000 * size.block_rows + round;
        let events = live_events(seed, size.block_rows * size.blocks);
        let rows = rows::of_events(&events[..(size.block_rows as usize).min(events.len())]);
        let finished = self.encoder.encode(&rows).await?;
        size.bytes = finished.bytes() as f64 / finished.rows as f64;
        drop(rows);
        let bare = self.inserts("bench_bare", &finished, size.blocks, seed).await?;
        let null = self.inserts("bench_null", &finished, size.blocks, seed).await?;
        let views = self.inserts("bench_views", &finished, size.blocks, seed).await?;
        drop(finished);
        let loaded = self.load(events, size.block_rows).await?;
        let memory = clock::peak_memory(std::process::id())? as f64 / f64::from(1 << 20);
        if round > 0 {
            size.memory.push(memory);
            size.bare.push(bare);
            size.null.push(null);
            size.views.push(views);
            size.loaded.push(loaded);
        }
        Ok(())
    }

    async fn spend<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<Spent> {
        let (own, store) = (std::process::id(), self.store.pid()?);
        let before = (clock::cpu(own)?, clock::cpu(store)?);
        let began = Instant::now();
        work.await?;
        let wall = began.elapsed().as_secs_f64();
        let since = |now: Duration, before: Duration| now.saturating_sub(before).as_secs_f64();
        Ok(Spent {
            footfall: since(clock::cpu(own)?, before.0),
            store: since(clock::cpu(store)?, before.1),
            wall,
        })
    }

    async fn inserts(&self, database: &str, block: &Block, times: u64, seed: u64) -> anyhow::Result<Spent> {
        let server = self.store.url();
        self.spend(async {
            for time in 0..times {
                block.insert(&self.http, &server, database, &format!("{seed}/{time}")).await?;
            }
            Ok(())
        })
        .await
    }

    /// From the journal into the store, as a collector's process without requests does it.
    async fn load(&self, events: Vec<Event>, block_rows: u64) -> anyhow::Result<Spent> {
        let folder = tempfile::tempdir()?;
        let journal = Journal::open(JournalOptions::new(folder.path().join("journal"), 1))?;
        let clock = Clock::fixed(events.last().map_or(0, |event| event.received_ms));
        for events in events.chunks(10_000) {
            let records =
                events.iter().map(|event| Record { partition: 0, payload: Bytes::from(event.to_bytes()) });
            for appended in journal.append(records.collect()).await {
                appended?;
            }
        }
        let count = events.len() as u64;
        drop(events);
        // What the journal still does with what was appended is over soon.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let config =
            LoadConfig { batch_rows: block_rows as usize, batch_bytes: usize::MAX, ..LoadConfig::default() };
        let stop = Stop::new();
        let stream: Arc<dyn Stream> = journal;
        clock::forget_peak(std::process::id())?;
        let client = self.whole.client();
        let spent = self
            .spend(async {
                let loading =
                    tokio::spawn(load::run(Arc::clone(&stream), client, config, clock, stop.clone()));
                while stream.committed(0).await? < count {
                    anyhow::ensure!(!loading.is_finished(), "the loader ended");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                stop.cancel();
                loading.await?;
                Ok(())
            })
            .await?;
        stream.close().await;
        Ok(spent)
    }
}

/// Exactly so many events of one day.
fn live_events(seed: u64, count: u64) -> Vec<Event> {
    // What is asked for is made about; the rest is left out.
    let shape = Shape { seed, events: count * 5 / 4 + 5_000, days: 1, first_day: FIRST_DAY };
    let mut events = Traffic::new(shape).next_day().unwrap_or_default();
    events.truncate(count as usize);
    events.into_iter().map(|sent| sent.event).collect()
}
