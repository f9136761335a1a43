//! How fast rollups are made again from the events, as `migrate rebuild` does it after somebody emptied them: an operator who
//! plans a rebuild wants to know how long it takes, and what takes the time.

use std::time::Instant;

use anyhow::Context as _;
use benches::figures::{Figure, Figures, Output, Spread, Target, amount};
use benches::rows::{blocks, insert};
use benches::traffic::Shape;
use clickhouse::{Client, Row};
use schema::maintain::{Maintainer, Range};
use schema::migrate::{self, LockTimes, MIGRATIONS};
use schema::rollup::ROLLUPS;
use schema::rollup::change::Silent;
use schema::rows::EventRow;
use schema::store::StoreUrl;
use serde::Deserialize;

/// Rows of a block.
const BLOCK: usize = 100_000;

/// 2026-03-01.
const FIRST_DAY: u16 = 20_513;

/// Measures how fast rollups are made again from the events, on an embedded ClickHouse of its own.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many events, about; `10M` and `500k` are read too.
    #[arg(long, default_value = "2M", value_parser = amount)]
    events: u64,
    /// On how many days.
    #[arg(long, default_value_t = 30)]
    days: u16,
    /// How often every rollup is made again.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    output: Output,
}

/// What the store says a rollup's queries took.
#[derive(Row, Deserialize)]
struct Cost {
    cpu_seconds: f64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let engine = sandbox::testing::engine().await;
    let store = StoreUrl::parse(&engine.store_url)?.with_database("bench_rebuild");
    migrate::up(&store).await?;
    let client = store.client();
    let events =
        load(&client, Shape { seed: 1, events: args.events, days: args.days, first_day: FIRST_DAY }).await?;
    let maintainer = Maintainer::with(store.clone(), MIGRATIONS, ROLLUPS, LockTimes::default());

    let names = || ROLLUPS.iter().map(|rollup| rollup.name).chain(["all"]);
    let mut seconds: Vec<Vec<f64>> = names().map(|_| Vec::new()).collect();
    let mut processor = seconds.clone();
    for _ in 0..args.rounds {
        let (mut wall, mut cpu) = (0.0, 0.0);
        for (at, rollup) in ROLLUPS.iter().enumerate() {
            client.query(&["TRUNCATE TABLE ", rollup.name, "_0"].concat()).execute().await?;
            let before = spent(&client).await?;
            let began = Instant::now();
            maintainer.rebuild(Some(rollup.name), Range::default(), &mut Silent).await?;
            let took = began.elapsed().as_secs_f64();
            let used = spent(&client).await? - before;
            seconds[at].push(took);
            processor[at].push(used);
            wall += took;
            cpu += used;
        }
        seconds[ROLLUPS.len()].push(wall);
        processor[ROLLUPS.len()].push(cpu);
    }
    let findings = maintainer.verify(Range::default(), &mut Silent).await?;
    anyhow::ensure!(findings.is_clean(), "the rollups are not what the events say: {findings:#?}");

    let about = format!(
        "Every rollup is emptied and made again from {events} events on {} days; verified at the end. `all` is one after another.",
        args.days
    );
    let mut figures = Figures::new("rebuild", about);
    let rate = |values: &[f64]| {
        Spread::of(values.iter().map(|value| events as f64 / value / 1e6)).context("no rounds")
    };
    for ((name, seconds), processor) in names().zip(&seconds).zip(&processor) {
        let is_one = name != "all";
        let figure = Figure::new(name, rate(seconds)?, "million events", "second");
        figures.add(if is_one { figure.target(Target::AtLeast(1.0)) } else { figure });
        figures.add(Figure::new(
            name,
            rate(processor)?,
            "million events",
            "CPU second of ClickHouse's queries",
        ));
    }
    figures.publish(&args.output)
}

/// Loads the traffic in blocks, as the loader does; how many events it is.
async fn load(client: &Client, shape: Shape) -> anyhow::Result<u64> {
    let (mut events, mut number) = (0, 0_u64);
    blocks(shape, BLOCK, async |_, block: Vec<EventRow>| {
        events += block.len() as u64;
        number += 1;
        insert(client, &format!("rebuild/{number}"), &block).await?;
        anyhow::Ok(true)
    })
    .await?;
    Ok(events)
}

/// Processor seconds of all queries of the bench's database until now.
async fn spent(client: &Client) -> anyhow::Result<f64> {
    client.query("SYSTEM FLUSH LOGS query_log").execute().await?;
    let cost: Cost = client
        .query(
            "SELECT sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) / 1e6 AS cpu_seconds
             FROM system.query_log WHERE type = 'QueryFinish' AND has(databases, currentDatabase())",
        )
        .fetch_one()
        .await?;
    Ok(cost.cpu_seconds)
}
