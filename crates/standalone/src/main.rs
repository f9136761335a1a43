//! `footfall`: columnar web analytics in one process.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use schema::command::MigrateCommand;
use standalone::commands::{self, WebsiteCommand};
use standalone::import::{self, ImportArgs};
use standalone::remote::RemoteArgs;
use standalone::serve::{self, ServeArgs};

/// A request and a batch are hundreds of short-lived texts, and futures of several kilobytes: the system's allocator takes a
/// third of a request's processor time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Footfall: web analytics where every accepted event counts exactly once.
///
/// Start it with `footfall serve` (or just `footfall`): it brings its own ClickHouse, makes a first website and an
/// admin key, and prints the snippet to put into your pages. Then open your page, and ask for a report.
#[derive(Parser)]
#[command(name = "footfall", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Start Footfall on this machine (the default).
    Serve(ServeArgs),
    /// Import an access log or NDJSON events into a website of a running Footfall.
    ///
    /// Returns when everything is loaded and visible in reports. Run again after an interruption, it counts every
    /// event once.
    Import(ImportArgs),
    /// Bring the database's tables up to date, or say how they stand.
    Migrate(MigrateArgs),
    /// Add, list or delete websites of a running Footfall.
    Website(WebsiteArgs),
    /// Erase one visitor of a website of a running Footfall: all events, and their share in every sum.
    Erase(EraseArgs),
    /// Make an API key that is good for one website of a running Footfall only, and show it once.
    ///
    /// For a server or an app that sends events (Lena's and bitcain's endpoints) or asks for reports of this website: the
    /// key names the website by itself and opens no other. Needs the admin's key. The key goes to standard output.
    Key(KeyArgs),
    /// The embedded ClickHouse's own process; `serve` starts it.
    #[command(hide = true, disable_help_flag = true)]
    Engine {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

#[derive(Args)]
struct MigrateArgs {
    #[command(subcommand)]
    command: MigrateCommand,
    /// The folder of the embedded ClickHouse, when FOOTFALL_CLICKHOUSE_URL is not set.
    #[arg(long, env = "FOOTFALL_DATA", default_value = "data", global = true)]
    data: PathBuf,
}

#[derive(Args)]
struct WebsiteArgs {
    #[command(subcommand)]
    command: WebsiteCommand,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Args)]
struct EraseArgs {
    /// The website's domain, such as example.com, or its id.
    #[arg(long)]
    website: String,
    /// The id by which the website calls the user.
    #[arg(long, required_unless_present = "visitor_id", conflicts_with = "visitor_id")]
    user_id: Option<String>,
    /// The visitor's id, as it is stored.
    #[arg(long)]
    visitor_id: Option<u64>,
    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Args)]
struct KeyArgs {
    /// The website's domain, such as example.com, or its id.
    #[arg(long)]
    website: String,
    /// A note that says whose the key is.
    #[arg(long, default_value = "")]
    label: String,
    #[command(flatten)]
    remote: RemoteArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = match cli.command {
        // The engine's process has no runtime and no settings of ours.
        Some(Command::Engine { args }) => return sandbox::engine_child_main(args),
        Some(command) => command,
        None => Command::Serve(cli.serve),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("footfall: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("footfall: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    service::telemetry::init()?;
    // The TLS of an https store or server; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::Serve(args) => serve::run(args).await.map(|()| ExitCode::SUCCESS),
        Command::Import(args) => import::run(args).await,
        Command::Migrate(args) => {
            Box::pin(commands::migrate(args.command, &args.data)).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Website(args) => {
            commands::website(args.command, &args.remote).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Erase(args) => {
            commands::erase(&args.website, args.user_id.as_deref(), args.visitor_id, &args.remote)
                .await
                .map(|()| ExitCode::SUCCESS)
        }
        Command::Key(args) => {
            commands::key(&args.website, &args.label, &args.remote).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Engine { .. } => Ok(ExitCode::FAILURE),
    }
}
