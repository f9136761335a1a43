//! `migrate`: brings a database up to date, or says how it stands.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use schema::migrate;
use schema::store::StoreUrl;

/// Brings Footfall's tables and rollups up to date.
#[derive(Parser)]
#[command(name = "migrate", version)]
struct Args {
    /// The ClickHouse server: http(s)://[user:password@]host:port[/database].
    #[arg(long, env = "FOOTFALL_CLICKHOUSE_URL", hide_env_values = true, global = true)]
    // Parsed later: a refusal of clap's would show the password.
    clickhouse_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs what has not run yet.
    Up,
    /// Lists every migration and its state.
    Status,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    // The TLS of an https store; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let url = args
        .clickhouse_url
        .filter(|url| !url.is_empty())
        .context("say where ClickHouse is: --clickhouse-url or FOOTFALL_CLICKHOUSE_URL")?;
    let store = StoreUrl::parse(&url).context("the URL of ClickHouse cannot be read")?;
    match args.command {
        Command::Up => {
            let ran = migrate::up(&store).await?;
            match ran.len() {
                0 => println!("The database is up to date."),
                count => println!("{count} migrations were applied: {}.", ran.join(", ")),
            }
        }
        Command::Status => {
            for (name, state) in migrate::status(&store).await? {
                println!("{name:<28} {}", state.as_str());
            }
        }
    }
    Ok(())
}
