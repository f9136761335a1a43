//! The collector on the journal, without the loader that `footfall` and `ingest all` have beside it in the same process: what
//! `ingest collect` is on Kafka. Reads the settings of `ingest`.

use std::path::PathBuf;
use std::sync::Arc;

use directory::Directory;
use ingest::config::{self, CollectConfig, StreamConfig};
use schema::store::StoreUrl;
use service::{Clock, MasterKey};
use tokio::net::TcpListener;

pub(crate) async fn run() -> anyhow::Result<()> {
    service::telemetry::init()?;
    let data = service::config::require::<PathBuf>("FOOTFALL_DATA")?;
    let store = service::config::require::<StoreUrl>("FOOTFALL_CLICKHOUSE_URL")?;
    let master = service::config::require::<MasterKey>("FOOTFALL_MASTER_KEY")?;
    let (stop, clock) = (service::stop::on_signal(), Clock::system());
    let stream = StreamConfig::from_env(&data)?.open(&stop).await?;
    let directory = Directory::open(&store, &master, clock.clone()).await?;
    tokio::spawn(Arc::clone(&directory).keep_fresh(stop.clone()));
    let parts = config::Parts { store, master, directory, stream, clock, stop: stop.clone() };
    let app = config::build(parts, CollectConfig::from_env()?)?;
    let listener = TcpListener::bind((service::config::listen()?, service::config::port()?)).await?;
    service::serve::serve(ingest::surfaces::alone(app), listener, stop).await?;
    Ok(())
}
