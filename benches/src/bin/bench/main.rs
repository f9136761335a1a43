//! All benches but `bench-ingest`, in one program, since linking a program takes longer than compiling a bench. See the README.

use clap::{Parser, Subcommand};

mod collector;
mod load;
mod memory;
mod query;
mod rebuild;
mod storage;
mod summary;

/// As `ingest` and `footfall`, whose code runs here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures what Footfall costs.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

// The others' help is what their arguments say of themselves.
#[derive(Subcommand)]
enum Bench {
    Load(load::Args),
    Memory(memory::Args),
    Storage(storage::Args),
    Rebuild(rebuild::Args),
    Query(query::Args),
    Summary(summary::Args),
    /// Collects onto the journal without loading from it: what `bench-ingest` measures. Reads the settings of `ingest`.
    Collector,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().bench {
        Bench::Load(args) => wait(load::run(args)),
        // A process whose memory is measured has no runtime in it.
        Bench::Memory(args) => memory::run(&args),
        Bench::Storage(args) => wait(storage::run(args)),
        Bench::Rebuild(args) => wait(rebuild::run(args)),
        Bench::Query(args) => wait(query::run(args)),
        Bench::Summary(args) => summary::run(&args),
        Bench::Collector => wait(collector::run()),
    }
}

/// Runs what waits for others, on a thread for each processor.
fn wait(bench: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(bench)
}
