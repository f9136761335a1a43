//! What events cost in the store: bytes on the disk by table and column, rows per rollup, and the processor time of an
//! insert with and without the views. See the README for how to read it.

use anyhow::Context as _;
use benches::figures::{Figure, Figures, Output, Spread, Target, amount};
use benches::rows::{blocks, days_until_today, insert};
use benches::traffic::{PARTITIONS, Shape};
use clickhouse::{Client, Row};
use schema::migrate::{self, LockTimes, MIGRATIONS};
use schema::rows::EventRow;
use schema::store::StoreUrl;
use serde::Deserialize;

/// Rows of a block, as the loader's largest.
const BLOCK: usize = 100_000;

/// Measures what events cost in the store, on an embedded ClickHouse of its own.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many events, about; `10M` and `500k` are read too.
    #[arg(long, default_value = "1M", value_parser = amount)]
    events: u64,
    /// On how many days.
    #[arg(long, default_value_t = 75)]
    days: u16,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds of the inserts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let engine = sandbox::testing::engine().await;
    let store = StoreUrl::parse(&engine.store_url)?.with_database("bench_storage");
    migrate::up(&store).await?;
    let client = store.client();
    let server = store.server();

    let first_day = days_until_today(args.days);
    let shape = Shape { seed: args.seed, events: args.events, days: args.days, first_day };
    let (mut rows, mut visits, mut number) = (0_u64, 0_u64, 0_u64);
    let began = std::time::Instant::now();
    let mut catch_up = Vec::new();
    // What a tenth of the events took, to see how it grows.
    let mut tenth = None;
    blocks(shape, BLOCK, async |_, block: Vec<EventRow>| {
        rows += block.len() as u64;
        visits += block.iter().map(|row| u64::from(row.visits > 0)).sum::<u64>();
        number += 1;
        insert(&client, &format!("load/{number}"), &block).await?;
        if catch_up.is_empty() {
            catch_up = block;
        }
        if tenth.is_none() && rows >= args.events / 10 {
            merge(&client).await?;
            tenth = Some((
                Grown::of(&client, rows).await?,
                cpu_of_block(&server, &format!("load/{number}")).await?,
            ));
        }
        anyhow::Ok(true)
    })
    .await?;
    println!(
        "{rows} events of {visits} visits ({:.2} per visit) on {} days, in {number} blocks of up to {BLOCK} rows; loaded in {:.0} s\n",
        rows as f64 / visits as f64,
        args.days,
        began.elapsed().as_secs_f64(),
    );

    sizes(&client, rows, "as loaded").await?;
    let last = cpu_of_block(&server, &format!("load/{}", number.saturating_sub(1).max(1))).await?;
    merge(&client).await?;
    sizes(&client, rows, "merged").await?;
    columns(&client, rows).await?;
    let all = Grown::of(&client, rows).await?;
    drop(client);

    let mut figures = Figures::new(
        "storage",
        format!(
            "{rows} events on the {} days until now (ids of live events lapse after ten), in blocks of up to {BLOCK} rows; the embedded ClickHouse.",
            args.days
        ),
    );
    all.report(&mut figures);
    if let Some((tenth, first)) = tenth {
        tenth.compare(&all, &mut figures);
        let exponent = (last / first).ln() / (all.events / tenth.events).ln();
        figures.add(Figure::new(
            format!(
                "growth of a row's insert with views, from {} to {} stored events",
                tenth.events, all.events
            ),
            Spread::once(exponent),
            "exponent x",
            "CPU of ClickHouse per row ~ events^x (0: it does not grow)",
        ));
    }

    // What the loader inserts while events come in: all of one day.
    let busy = Shape { events: (BLOCK as u64 + 10_000) * u64::from(PARTITIONS), days: 1, ..shape };
    let mut live = Vec::new();
    blocks(busy, BLOCK, async |_, block| {
        live = block;
        anyhow::Ok(false)
    })
    .await?;
    inserts(&store, "a block of live events (one day)", &live, args.rounds, &mut figures).await?;
    inserts(&store, "a block of the load above (many days)", &catch_up, args.rounds, &mut figures).await?;
    figures.publish(&args.output)
}

async fn merge(client: &Client) -> anyhow::Result<()> {
    for table in tables(client).await? {
        client.query(&["OPTIMIZE TABLE ", &table, " FINAL"].concat()).execute().await?;
    }
    Ok(())
}

/// Microseconds of ClickHouse's processor time per row of a block that was inserted.
async fn cpu_of_block(server: &Client, token: &str) -> anyhow::Result<f64> {
    server.query("SYSTEM FLUSH LOGS").execute().await?;
    let times = server
        .query(
            "SELECT (ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds']) / read_rows
             FROM system.query_log
             WHERE type = 'QueryFinish' AND query_kind = 'Insert' AND read_rows > 0
               AND Settings['insert_deduplication_token'] = {token:String}",
        )
        .param("token", token)
        .fetch_all::<f64>()
        .await?;
    times.first().copied().with_context(|| format!("the insert of {token} is not in the log"))
}

/// How large everything is, merged, at a number of events.
struct Grown {
    events: f64,
    bytes: f64,
    rollup_rows: f64,
}

impl Grown {
    async fn of(client: &Client, events: u64) -> anyhow::Result<Self> {
        let (bytes, rollup_rows) = client
            .query(
                "SELECT sum(bytes_on_disk), sumIf(rows, table != 'events') FROM system.parts
                 WHERE active AND database = currentDatabase() AND has({tables:Array(String)}, table)",
            )
            .param("tables", tables(client).await?)
            .fetch_one::<(u64, u64)>()
            .await?;
        Ok(Self { events: events as f64, bytes: bytes as f64, rollup_rows: rollup_rows as f64 })
    }

    fn report(&self, figures: &mut Figures) {
        let bytes = Spread::once(self.bytes / self.events);
        figures.add(Figure::new("events and rollups, merged", bytes, "bytes on disk", "event"));
        let rows = Spread::once(1000.0 * self.rollup_rows / self.events);
        figures.add(Figure::new("rollups, merged", rows, "rows", "1000 events"));
    }

    /// How it grew from here to there.
    fn compare(&self, there: &Self, figures: &mut Figures) {
        for (what, here, there_is) in [
            ("bytes on disk", self.bytes, there.bytes),
            ("rows of rollups", self.rollup_rows, there.rollup_rows),
        ] {
            let exponent = (there_is / here).ln() / (there.events / self.events).ln();
            figures.add(Figure::new(
                format!("growth of {what}, from {} to {} events", self.events, there.events),
                Spread::once(exponent),
                "exponent x",
                format!("{what} ~ events^x (1: in proportion)"),
            ));
        }
    }
}

/// The tables that come of events: they themselves, and the rollups.
async fn tables(client: &Client) -> anyhow::Result<Vec<String>> {
    Ok(client
        .query(
            "SELECT name FROM system.tables
             WHERE database = currentDatabase() AND (name = 'events' OR match(name, '_[0-9]+$'))
             ORDER BY name != 'events', name",
        )
        .fetch_all::<String>()
        .await?)
}

#[derive(Row, Deserialize)]
struct TableSize {
    table: String,
    parts: u64,
    rows: u64,
    bytes: u64,
}

async fn sizes(client: &Client, events: u64, when: &str) -> anyhow::Result<()> {
    let tables = tables(client).await?;
    let sizes = client
        .query(
            "SELECT table, count() AS parts, sum(rows) AS rows, sum(bytes_on_disk) AS bytes FROM system.parts
             WHERE active AND database = currentDatabase() AND has({tables:Array(String)}, table)
             GROUP BY table ORDER BY bytes DESC",
        )
        .param("tables", &tables)
        .fetch_all::<TableSize>()
        .await?;
    println!("| table, {when} | parts | rows | rows per 1000 events | bytes on disk per event |");
    println!("|---|--:|--:|--:|--:|");
    let line = |name: &str, parts: u64, rows: u64, bytes: u64| {
        let per = |amount: u64| amount as f64 / events as f64;
        println!("| {name} | {parts} | {rows} | {:.1} | {:.2} |", 1000.0 * per(rows), per(bytes));
    };
    for size in &sizes {
        line(&size.table, size.parts, size.rows, size.bytes);
    }
    let sum = |of: fn(&TableSize) -> u64| sizes.iter().map(of).sum::<u64>();
    line("**all**", sum(|size| size.parts), sum(|size| size.rows), sum(|size| size.bytes));
    println!();
    Ok(())
}

#[derive(Row, Deserialize)]
struct ColumnSize {
    name: String,
    compressed: u64,
    uncompressed: u64,
}

async fn columns(client: &Client, events: u64) -> anyhow::Result<()> {
    let columns = client
        .query(
            "SELECT column AS name, sum(column_data_compressed_bytes) AS compressed,
                    sum(column_data_uncompressed_bytes) AS uncompressed
             FROM system.parts_columns
             WHERE active AND database = currentDatabase() AND table = 'events'
             GROUP BY column ORDER BY compressed DESC",
        )
        .fetch_all::<ColumnSize>()
        .await?;
    println!("| column of events, merged | bytes per event | before compression |\n|---|--:|--:|");
    for size in columns {
        let per = |bytes: u64| bytes as f64 / events as f64;
        println!("| {} | {:.2} | {:.2} |", size.name, per(size.compressed), per(size.uncompressed));
    }
    println!();
    Ok(())
}

/// Inserts the same block in turn into a table that keeps nothing, into bare events, and into events with all views.
async fn inserts(
    store: &StoreUrl,
    what: &str,
    block: &[EventRow],
    rounds: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let places = ["bench_null", "bench_bare", "bench_views"];
    let mut clients = Vec::new();
    let server = store.server();
    for place in places {
        server.query("DROP DATABASE IF EXISTS {name:Identifier} SYNC").param("name", place).execute().await?;
        let store = store.clone().with_database(place);
        let client = store.client();
        if place == "bench_views" {
            migrate::up(&store).await?;
        } else {
            migrate::up_with(&store, MIGRATIONS, &[], LockTimes::default()).await?;
            client.query("DROP TABLE stream_positions_view SYNC").execute().await?;
        }
        if place == "bench_null" {
            client.query("CREATE OR REPLACE TABLE events AS events ENGINE = Null").execute().await?;
        }
        clients.push(client);
    }
    server.query("SYSTEM STOP MERGES").execute().await?;
    // The first round warms up and is not counted.
    for round in 0..=rounds {
        for (place, client) in places.iter().zip(&clients) {
            insert(client, &format!("{place}/{round}"), block).await?;
        }
    }
    server.query("SYSTEM START MERGES").execute().await?;
    server.query("SYSTEM FLUSH LOGS").execute().await?;
    println!("| {what}, {} rows, {rounds} rounds | processor time, median | spread | by bare |", block.len());
    println!("|---|--:|--:|--:|");
    let (mut measured, mut by_round) = (Vec::new(), Vec::new());
    for place in places {
        let mut times: Vec<u64> = server
            .query(
                "SELECT ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds']
                 FROM system.query_log
                 WHERE type = 'QueryFinish' AND query_kind = 'Insert' AND current_database = {place:String}
                   AND startsWith(Settings['insert_deduplication_token'], concat({place:String}, '/'))
                 ORDER BY event_time_microseconds DESC LIMIT {rounds:UInt64}",
            )
            .param("place", place)
            .param("rounds", rounds as u64)
            .fetch_all::<u64>()
            .await?;
        anyhow::ensure!(
            times.len() == rounds && rounds > 0,
            "{} of {rounds} inserts are in the log",
            times.len()
        );
        let in_order: Vec<f64> = times.iter().rev().map(|time| *time as f64).collect();
        times.sort_unstable();
        measured.push((place, times));
        by_round.push(in_order);
    }
    let ratio = Spread::ratios(&by_round[2], &by_round[1]).context("there are no rounds")?;
    let per = "CPU of ClickHouse per row";
    figures.add(
        Figure::ratio(format!("insert with views, {what}"), ratio, per, "the bare insert")
            .target(Target::AtMost(2.0)),
    );
    let median = |times: &[u64]| times[times.len() / 2] as f64 / 1000.0;
    let bare = median(&measured[1].1);
    for (place, times) in &measured {
        let (least, most) = (times[0] as f64 / 1000.0, times[times.len() - 1] as f64 / 1000.0);
        let (middle, name) = (median(times), place.trim_start_matches("bench_"));
        println!("| {name} | {middle:.0} ms | {least:.0} to {most:.0} ms | {:.2} |", middle / bare);
    }
    println!();
    Ok(())
}
