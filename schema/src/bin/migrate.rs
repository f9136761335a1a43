//! `migrate`: brings a database up to date, verifies it, makes rollups again, or says how it stands.

use anyhow::Context as _;
use clap::Parser;
use schema::cluster::ClusterName;
use schema::command::{self, MigrateCommand};
use schema::store::StoreUrl;

/// Brings Footfall's tables and rollups up to date, verifies them and makes them again.
#[derive(Parser)]
#[command(name = "migrate", version)]
struct Args {
    /// The ClickHouse server: http(s)://[user:password@]host:port[/database].
    #[arg(long, env = "FOOTFALL_CLICKHOUSE_URL", hide_env_values = true, global = true)]
    // Parsed later: a refusal of clap's would show the password.
    clickhouse_url: Option<String>,
    /// The cluster that it is a node of, as its `remote_servers` names it; without one it stands alone.
    #[arg(long, env = "FOOTFALL_CLUSTER", global = true)]
    cluster: Option<ClusterName>,
    #[command(subcommand)]
    command: MigrateCommand,
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
    let store =
        StoreUrl::parse(&url).context("the URL of ClickHouse cannot be read")?.in_cluster(args.cluster);
    Ok(command::run(args.command, &store).await?)
}
