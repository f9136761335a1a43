//! What the loader's memory holds: bytes per live session, of a process that does nothing but sessionise. See the README.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use benches::clock;
use benches::figures::{Figure, Figures, Output, Spread, Target, amount};
use benches::traffic::{Shape, Traffic};
use clap::Subcommand;
use ingest::load::sessionise::{Day, Place, Sessioniser};
use schema::event::Event;
use serde::{Deserialize, Serialize};

/// 2026-01-05, a Monday.
const FIRST_DAY: u16 = 20_458;

/// Measures the memory of live sessions.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// How many events of one day; several numbers are measured, and how the figure grows between them.
    #[arg(long, value_delimiter = ',', default_value = "300k,3M", value_parser = amount)]
    events: Vec<u64>,
    /// Processes that are measured for each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Part {
    /// Sessionises the records of a file and tells what that took: the process that is measured.
    Hold { records: PathBuf },
}

/// What was held, and in how many bytes.
#[derive(Serialize, Deserialize)]
struct Held {
    events: u64,
    sessions: usize,
    bytes: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.part {
        Some(Part::Hold { records }) => {
            println!("{}", serde_json::to_string(&hold(records)?)?);
            Ok(())
        }
        None => measure(args),
    }
}

fn measure(args: &Args) -> anyhow::Result<()> {
    let mut figures = Figures::new(
        "memory",
        "Live events of one day and 20 sites, all in the memory of one partition's sessioniser: sessions, the day's visitors and the ids \
         of its events. Bytes are RAM of a process of its own (VmRSS), after less before.",
    );
    let folder = tempfile::tempdir()?;
    let mut grown: Vec<(f64, f64)> = Vec::new();
    for events in &args.events {
        let path = folder.path().join("records");
        write_records(&path, *events)?;
        let (mut per_session, mut last) = (Vec::new(), None);
        for _ in 0..args.rounds {
            let held = Command::new(std::env::current_exe()?).args(["memory", "hold"]).arg(&path).output()?;
            anyhow::ensure!(held.status.success(), "{}", String::from_utf8_lossy(&held.stderr));
            let held: Held = serde_json::from_slice(&held.stdout)?;
            per_session.push(held.bytes as f64 / held.sessions as f64);
            last = Some(held);
        }
        let held = last.context("there are no rounds")?;
        let name = format!(
            "{} live sessions ({:.2} events each)",
            held.sessions,
            held.events as f64 / held.sessions as f64
        );
        figures.add_rounds(
            |value| Figure::new(name, value, "bytes", "live session").target(Target::AtMost(200.0)),
            &per_session,
        )?;
        grown.push((held.sessions as f64, held.bytes as f64));
    }
    if let [first, .., last] = grown[..] {
        let exponent = (last.1 / first.1).ln() / (last.0 / first.0).ln();
        let name = format!("growth from {} to {} sessions", first.0, last.0);
        let per = "bytes ~ sessions^x";
        figures.add(Figure::new(name, Spread::once(exponent), "exponent x", per));
    }
    figures.publish(&args.output)
}

fn write_records(path: &Path, events: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let shape = Shape { seed: 1, events, days: 1, first_day: FIRST_DAY };
    for sent in Traffic::new(shape).next_day().unwrap_or_default() {
        let record = sent.record();
        file.write_all(&u32::try_from(record.len())?.to_be_bytes())?;
        file.write_all(&record)?;
    }
    Ok(file.flush()?)
}

fn hold(records: &Path) -> anyhow::Result<Held> {
    let mut file = BufReader::new(File::open(records)?);
    let mut sessions = Sessioniser::default();
    let (mut length, mut record, mut events) = ([0; 4], Vec::new(), 0_u64);
    let own = std::process::id();
    let mut before = None;
    while file.read_exact(&mut length).is_ok() {
        record.resize(u32::from_be_bytes(length) as usize, 0);
        file.read_exact(&mut record)?;
        let event = Event::from_bytes(&record)?;
        // The first one's buffers are not what is asked about.
        if before.is_none() {
            before = Some(clock::memory(own)?);
        }
        while let Some(missing) = sessions.missing(&event) {
            sessions.put(missing, Day::default());
        }
        sessions.apply(event, Place { stream: "bench", partition: 0, offset: events });
        events += 1;
    }
    let bytes = clock::memory(own)?.saturating_sub(before.context("there are no records")?);
    Ok(Held { events, sessions: sessions.sessions(), bytes })
}
