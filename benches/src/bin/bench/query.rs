//! How fast reports are answered: p50 and p95 of each, beside other ways to the same answers, merged and not, alone and
//! while more events come in. See the README for how to read it.

use std::path::PathBuf;

use anyhow::Context as _;
use benches::clock;
use benches::figures::{Figure, Figures, Output, Spread, amount};
use benches::query::ask::{self, Api, Callers, Scope};
use benches::query::log::{self, Ask};
use benches::query::reports::{REPORTS, Report};
use benches::query::stores::Stores;
use benches::query::tables::Measured;
use benches::query::{Asked, DAY_MS, FIRST_DAY, SITES, State, Way};
use benches::traffic::Shape;
use benches::world;
use chrono::{DateTime, TimeDelta};
use clickhouse::Client;
use query_api::report::Prefer;
use sandbox::{Engine, EngineOptions};
use schema::store::StoreUrl;
use service::Stop;

/// How far an estimate may be from the count: the states' own error.
const ESTIMATE: f64 = 0.05;

/// Measures how fast reports are answered, on an embedded ClickHouse of its own.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many events, about; several amounts are measured in one run, and their growth is shown.
    #[arg(long, default_value = "1M,10M", value_delimiter = ',', value_parser = amount)]
    events: Vec<u64>,
    /// On how many days; reports are asked for all of them.
    #[arg(long, default_value_t = 30)]
    days: u16,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds that are counted; in each everything is asked in turn.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How often the API is asked in each round. What it is compared with is asked once.
    #[arg(long, default_value_t = 5)]
    asks: usize,
    /// Ask only for reports whose name has this.
    #[arg(long, default_value = "")]
    only: String,
    /// Leave out what is not merged, and the inserts.
    #[arg(long)]
    quiet: bool,
    /// Keep the store in this folder; a later run with the same events finds them there.
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &args.data {
        None => run_on(&args, &sandbox::testing::engine().await.store_url).await,
        Some(folder) => {
            let child = sandbox::testing::child_command().await.map_err(anyhow::Error::msg)?;
            let folder = std::path::absolute(folder)?;
            // A log that an earlier run left there would keep the server from writing a new one.
            let log = folder.join("store/data/system");
            if log.exists() {
                std::fs::remove_dir_all(&log).with_context(|| format!("{}", log.display()))?;
            }
            let options =
                EngineOptions { query_log: true, fsync: false, ..EngineOptions::new(folder, child) };
            let engine = Engine::start(options).await?;
            let done = run_on(&args, &engine.http_url()).await;
            engine.stop().await?;
            done
        }
    }
}

/// The amounts of events, each in its databases.
struct Bench<'a> {
    args: &'a Args,
    stores: Vec<Stores>,
    callers: Callers,
    scopes: Vec<Scope>,
}

async fn run_on(args: &Args, url: &str) -> anyhow::Result<()> {
    let store = StoreUrl::parse(url)?;
    let mut stores = Vec::new();
    for &events in &args.events {
        let shape = Shape { seed: args.seed, events, days: args.days, first_day: FIRST_DAY };
        let made = Stores::open(&store, shape).await.with_context(|| format!("{events} events"))?;
        if !args.quiet {
            let parts = made.make_parts().await?;
            println!("Of {} events those of the last day lie in many of {parts} parts.", made.events);
        }
        stores.push(made);
    }
    let sites = world::sites(args.seed);
    let midnight = i64::from(FIRST_DAY + args.days) * DAY_MS;
    let callers = Callers::new(&store, &sites, midnight).await?;
    let day = |days_before: i64| {
        let moment = DateTime::from_timestamp_millis(midnight).unwrap_or_default();
        (moment.date_naive() - TimeDelta::days(days_before)).to_string()
    };
    let scope = |&(_, at): &(&str, usize)| {
        let site = sites.get(at).map(|site| site.id).unwrap_or_default();
        Scope { site, start: day(i64::from(args.days)), end: day(1) }
    };
    let bench = Bench { args, stores, callers, scopes: SITES.iter().map(scope).collect() };
    bench.measure().await
}

impl Bench<'_> {
    async fn measure(&self) -> anyhow::Result<()> {
        let mut measured = Measured::default();
        let mut all = Vec::new();
        for (stores, &events) in self.stores.iter().zip(&self.args.events) {
            for state in [State::Merged, State::Parts] {
                if state == State::Merged || !self.args.quiet {
                    all.push(self.place(stores, events, state).await?);
                }
            }
            self.needs(stores, events, &mut measured).await?;
        }
        for place in &all {
            self.check(place).await?;
        }
        println!("All ways give the same answers.");
        let own = std::process::id();
        clock::forget_peak(own)?;
        // Everything is asked in turn, so what disturbs one disturbs its neighbours. The first round warms up.
        let mut asks = vec![Vec::new(); all.len()];
        for round in 0..=self.args.rounds {
            for (place, asks) in all.iter().zip(&mut asks) {
                self.round(place, round, asks).await?;
            }
        }
        for (place, asks) in all.iter().zip(&asks) {
            self.take(place, asks, &mut measured).await?;
        }
        drop(all);
        if !self.args.quiet {
            for (stores, &events) in self.stores.iter().zip(&self.args.events) {
                self.under_inserts(stores, events, &mut measured).await?;
            }
        }
        measured.rate();
        let amounts: Vec<_> = self
            .args
            .events
            .iter()
            .zip(&self.stores)
            .map(|(&about, stores)| (about, stores.events))
            .collect();
        measured.print(&amounts);
        let Args { rounds, asks, days, .. } = self.args;
        let about = format!(
            "Reports of {days} days; {} events; {rounds} rounds of {asks} answers of the API, all ways in turn.",
            self.stores.iter().map(|stores| stores.events.to_string()).collect::<Vec<_>>().join(" and "),
        );
        let mut figures = Figures::new("query", about);
        measured.figures(&mut figures, &amounts);
        figures.add(Figure::new(
            "the API: memory, at most",
            Spread::once(clock::peak_memory(own)? as f64 / f64::from(1 << 20)),
            "MiB in RAM",
            "process, under these questions, with what asks them",
        ));
        figures.publish(&self.args.output)
    }

    async fn place(&self, stores: &Stores, events: u64, state: State) -> anyhow::Result<Place> {
        let store = stores.of(state);
        Ok(Place {
            events,
            state,
            api: self.callers.serve(&store, Prefer::Auto).await?,
            api_of_events: self.callers.serve(&store, Prefer::EventsOnly).await?,
            reader: ask::reader(&store),
            database: store.database().to_owned(),
        })
    }

    /// What is asked for, with the places of the report and of the website.
    fn questions(&self) -> impl Iterator<Item = (usize, &'static Report, usize)> {
        let reports = REPORTS.iter().enumerate().filter(|(_, report)| report.name.contains(&self.args.only));
        reports.flat_map(|(at, report)| report.sites.iter().map(move |&site| (at, report, site)))
    }

    /// The bytes that each answer needs.
    async fn needs(&self, stores: &Stores, events: u64, measured: &mut Measured) -> anyhow::Result<()> {
        let client = stores.of(State::Merged).client();
        for (at, report, site) in self.questions() {
            let (table, columns) = report.needs;
            let sql = [
                "SELECT sum(byteSize(",
                columns,
                ")) FROM ",
                table,
                " WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot",
            ]
            .concat();
            let Scope { site: id, start, end } = &self.scopes[site];
            let bytes = client.query_raw(&sql).param("site", id).param("start", start).param("end", end);
            measured.need(events, at, site, bytes.fetch_one().await?);
        }
        Ok(())
    }

    /// All ways must give the same answers.
    async fn check(&self, place: &Place) -> anyhow::Result<()> {
        for (_, report, site) in self.questions() {
            let scope = &self.scopes[site];
            let context = |way| format!("{} of {} ({way})", report.name, SITES[site].0);
            let api = place.api.ask(report, scope).await?;
            let raw = ask::ask(&place.reader, report.raw, scope).await.with_context(|| context("raw"))?;
            ask::compare(&api, &raw, 0.0).with_context(|| context("raw"))?;
            let events = place.api_of_events.ask(report, scope).await?;
            anyhow::ensure!(api.body == events.body, "{}: {}", context("events"), "another answer");
            if let (Some(states), State::Merged) = (report.states, place.state) {
                let states = ask::ask(&place.reader, states, scope).await?;
                ask::compare(&api, &states, ESTIMATE).with_context(|| context("states"))?;
            }
        }
        Ok(())
    }

    async fn round(&self, place: &Place, round: usize, asks: &mut Vec<Ask>) -> anyhow::Result<()> {
        let Place { events, state, database, .. } = place;
        let warm = round == 0;
        for (report, told, site) in self.questions() {
            let scope = &self.scopes[site];
            let mut note = |way, reply: &ask::Reply| {
                if !warm {
                    let asked = Asked { events: *events, state: *state, report, site, way };
                    let (began, ended) = (reply.began, reply.ended);
                    asks.push(Ask { asked, round, database: database.clone(), began, ended });
                }
            };
            // Whoever asks first for another website's events finds the processor's caches full of others', so it is not
            // always the same one.
            let raw_first = round % 2 == 1;
            if raw_first {
                note(Way::Raw, &ask::ask(&place.reader, told.raw, scope).await?);
            }
            for _ in 0..self.args.asks {
                note(Way::Api, &place.api.ask(told, scope).await?);
            }
            if !raw_first {
                note(Way::Raw, &ask::ask(&place.reader, told.raw, scope).await?);
            }
            if *state == State::Merged {
                note(Way::ApiOfEvents, &place.api_of_events.ask(told, scope).await?);
                if let Some(states) = told.states {
                    note(Way::States, &ask::ask(&place.reader, states, scope).await?);
                }
            }
        }
        if *state == State::Merged {
            let reply =
                ask::ask(&place.reader, include_str!("../../query/decompress.sql"), &self.scopes[0]).await?;
            if !warm {
                let asked =
                    Asked { events: *events, state: *state, report: 0, site: 0, way: Way::Decompress };
                let (began, ended) = (reply.began, reply.ended);
                asks.push(Ask { asked, round, database: database.clone(), began, ended });
            }
        }
        Ok(())
    }

    async fn take(&self, place: &Place, asks: &[Ask], measured: &mut Measured) -> anyhow::Result<()> {
        let client: Client = self.stores[0].of(State::Merged).client();
        measured.add(log::samples(&client, &place.database, asks).await?);
        Ok(())
    }

    async fn under_inserts(
        &self,
        stores: &Stores,
        events: u64,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let stop = Stop::new();
        let inserting = stores.begin_inserts(stop.clone()).await?;
        let place = self.place(stores, events, State::Inserts).await?;
        let began = std::time::Instant::now();
        let mut asks = Vec::new();
        for round in 0..=self.args.rounds {
            self.round(&place, round, &mut asks).await?;
        }
        stop.cancel();
        let rows = inserting.await??;
        let seconds = began.elapsed().as_secs_f64();
        println!("Beside {} events {:.0} more came in per second.", stores.events, rows as f64 / seconds);
        self.take(&place, &asks, measured).await?;
        stores.end_inserts().await
    }
}

/// A database, and everything that asks it.
struct Place {
    events: u64,
    state: State,
    api: Api,
    api_of_events: Api,
    reader: Client,
    database: String,
}
