//! `footfall serve`: the house on one port, and what a newcomer needs to see.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use directory::{Directory, NewWebsite, Website};
use sandbox::{ChildCommand, Engine, EngineOptions};
use schema::store::StoreUrl;
use service::operator::Operator;
use service::{MasterKey, Stop, stop};
use tokio::net::TcpListener;

use crate::house::{House, HouseConfig};

/// The domain of the website that a first start makes, so that there is one to try things with.
const FIRST_WEBSITE: &str = "localhost";

/// A user agent for the pasted lines: curl's own is a bot's, and would be flagged.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0";

/// Where to run.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The folder that holds everything: the database, the journal, the master key.
    #[arg(long, env = "FOOTFALL_DATA", default_value = "data")]
    pub data: PathBuf,
    /// The port of the tracker, the collector and the API.
    #[arg(long, env = "FOOTFALL_PORT", default_value_t = 8000, value_parser = port, hide_env_values = true)]
    pub port: u16,
}

/// A port, or what is expected and where it may have come from.
fn port(text: &str) -> Result<u16, &'static str> {
    text.trim().parse().map_err(|_| "expected a number from 0 to 65535 (--port or FOOTFALL_PORT)")
}

/// Serves until a signal comes.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    make_private_folder(&args.data)
        .with_context(|| format!("the data folder {} cannot be made", args.data.display()))?;
    // Taken first: a port that is in use should not cost the start of a database.
    let listen = service::config::listen()?;
    let listener = TcpListener::bind((listen, args.port))
        .await
        .with_context(|| format!("port {} cannot be listened on; choose another with --port", args.port))?;
    let port = listener.local_addr()?.port();
    let master = master_key(&args.data)?;
    let stop = stop::on_signal();
    let operator = Operator::from_env(&stop).await?;
    let (store, engine) = store(&args.data).await?;

    let config = HouseConfig::from_env(store, master, &args.data);
    let served = match config {
        Ok(config) => serve_house(config, listener, port, &operator, stop.clone()).await,
        Err(error) => Err(error),
    };
    // Also a start that failed half-way has workers, and they must not meet a store that is gone.
    stop.cancel();
    operator.close().await;
    if let Some(engine) = engine {
        engine.stop().await?;
    }
    served
}

async fn serve_house(
    config: HouseConfig,
    listener: TcpListener,
    port: u16,
    operator: &Operator,
    stop: Stop,
) -> anyhow::Result<()> {
    let house = match House::open(config, stop.clone()).await {
        Ok(house) => house,
        Err(error) if stop.is_cancelled() => {
            tracing::info!(cause = format!("{error:#}"), "The start was stopped.");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    house.watched_by(operator, &stop);
    let served = open_doors(&house, listener, port, stop.clone()).await;
    // The listener may also end by itself; the workers are told either way.
    stop.cancel();
    house.close().await;
    served
}

/// Makes sure that somebody can come in, tells how, and serves.
async fn open_doors(house: &House, listener: TcpListener, port: u16, stop: Stop) -> anyhow::Result<()> {
    let given = service::config::read::<String>(directory::ADMIN_KEY_VARIABLE)?;
    let fresh = house.directory.bootstrap_admin(given.as_deref()).await?;
    let key = match (fresh, given) {
        (Some(key), _) => AdminKey::Fresh(key.to_string()),
        (None, Some(_)) => AdminKey::Given,
        (None, None) => AdminKey::Shown,
    };
    let website = first_website(&house.directory).await?;
    println!("{}", welcome(port, &key, &website));
    service::serve::serve(house.router.clone(), listener, stop).await?;
    Ok(())
}

/// What there is to say of the admin's key.
enum AdminKey {
    /// It was made now.
    Fresh(String),
    /// The operator chose it.
    Given,
    /// It was made at an earlier start.
    Shown,
}

/// The store that `FOOTFALL_CLICKHOUSE_URL` names; else the embedded engine on the data folder, started now.
pub async fn store(data: &Path) -> anyhow::Result<(StoreUrl, Option<Engine>)> {
    if let Some(store) = service::config::read::<StoreUrl>("FOOTFALL_CLICKHOUSE_URL")? {
        return Ok((store.in_cluster(service::config::read("FOOTFALL_CLUSTER")?), None));
    }
    let options = EngineOptions::new(data.join("clickhouse"), ChildCommand::current_exe(["engine"])?);
    let engine = Engine::start(options).await?;
    Ok((StoreUrl::parse(&engine.http_url())?, Some(engine)))
}

/// `FOOTFALL_MASTER_KEY`, else the key in the data folder, made at the first start.
fn master_key(data: &Path) -> anyhow::Result<MasterKey> {
    if let Some(key) = service::config::read::<MasterKey>("FOOTFALL_MASTER_KEY")? {
        return Ok(key);
    }
    let path = data.join("master.key");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            MasterKey::parse(&text).with_context(|| format!("{} does not hold a master key", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = MasterKey::generate()?;
            write_secret(&path, key.to_base64().as_bytes())
                .with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Makes a folder that only its owner may enter; one that is there keeps its mode.
fn make_private_folder(path: &Path) -> std::io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_secret(path: &Path, secret: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let draft = path.with_extension("draft");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(secret)?;
    file.sync_all()?;
    std::fs::rename(draft, path)
}

/// The website that a first start makes; afterwards the oldest one.
async fn first_website(directory: &Arc<Directory>) -> anyhow::Result<Arc<Website>> {
    let oldest = directory
        .snapshot()
        .websites()
        .iter()
        .min_by_key(|website| (website.created_at, website.id))
        .cloned();
    match oldest {
        Some(website) => Ok(website),
        None => Ok(directory
            .add_website(NewWebsite {
                account_id: directory::DEFAULT_ACCOUNT,
                domain: FIRST_WEBSITE.to_owned(),
                ..NewWebsite::default()
            })
            .await?),
    }
}

/// The tag to put into a website's pages.
pub fn snippet(server: &str, website_id: &str) -> String {
    format!(r#"<script defer data-id="{website_id}" src="{server}/js/tracker.js"></script>"#)
}

fn welcome(port: u16, key: &AdminKey, website: &Website) -> String {
    let server = format!("http://localhost:{port}");
    let (id, domain) = (website.id, &website.domain);
    let snippet = snippet(&server, &id.to_string());
    // What is told of the key, and how the pasted lines name it.
    let (key_line, key) = match key {
        AdminKey::Fresh(key) => (format!("{key}   (shown only now: keep it)"), key.as_str()),
        AdminKey::Given => ("the one in FOOTFALL_ADMIN_KEY".to_owned(), "$FOOTFALL_ADMIN_KEY"),
        AdminKey::Shown => {
            ("shown at the first start; set FOOTFALL_ADMIN_KEY to replace it".to_owned(), "$FOOTFALL_KEY")
        }
    };
    format!(
        r#"
Footfall is running.

  URL        {server}
  Admin key  {key_line}
  Website    {domain}  {id}

Put this into the pages of {domain}:

  {snippet}

Try it:

  curl -i -A "{AGENT}" -H "Content-Type: application/json" -d '{{"website_id":"{id}","event_type":"page_view","url":"http://{domain}/hello","path":"/hello"}}' {server}/api/v1/collect
  curl -H "X-API-KEY: {key}" "{server}/api/v1/reports/summary?website_id={id}&period=today"
  curl -H "X-API-KEY: {key}" "{server}/api/v1/reports/pages?website_id={id}&period=today"
"#
    )
}
