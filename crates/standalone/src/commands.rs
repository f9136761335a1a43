//! The small commands: `footfall migrate`, `footfall website`, `footfall erase` and `footfall key`.

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;
use reqwest::Method;
use schema::command::{self, MigrateCommand};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::remote::{Remote, RemoteArgs, RemoteWebsite};
use crate::serve;

/// What to do with websites.
#[derive(Debug, Subcommand)]
pub enum WebsiteCommand {
    /// Add a website and print its snippet.
    Add {
        /// The domain, such as example.com.
        domain: String,
        /// The IANA time zone of its days, such as Europe/Helsinki.
        #[arg(long, default_value = "UTC")]
        timezone: String,
        /// Store nothing of visitors whose browsers send `DNT: 1` or `Sec-GPC: 1`.
        #[arg(long)]
        respect_dnt: bool,
        /// Keep so many whole days before today; older ones are erased every day. Without it all are kept.
        #[arg(long, value_name = "DAYS")]
        retention_days: Option<u16>,
    },
    /// List the websites.
    List,
    /// Delete a website with all of its events and sums, for good.
    Delete {
        /// The website's domain, such as example.com, or its id.
        website: String,
    },
}

/// `footfall migrate`: on `FOOTFALL_CLICKHOUSE_URL`, else on the embedded ClickHouse of the data folder.
pub async fn migrate(command: MigrateCommand, data: &Path) -> anyhow::Result<()> {
    let (store, engine) = serve::store(data).await?;
    let outcome = command::run(command, &store).await;
    if let Some(engine) = engine {
        engine.stop().await?;
    }
    Ok(outcome?)
}

/// `footfall website`.
pub async fn website(command: WebsiteCommand, remote: &RemoteArgs) -> anyhow::Result<()> {
    let server = remote.server.trim_end_matches('/');
    let remote = Remote::new(remote)?;
    match command {
        WebsiteCommand::Add { domain, timezone, respect_dnt, retention_days } => {
            let body = json!({
                "domain": domain,
                "timezone": timezone,
                "respect_dnt": respect_dnt,
                "retention_days": retention_days,
            });
            let added: RemoteWebsite = remote.ask(Method::POST, "/api/v1/websites", Some(body)).await?;
            println!(
                "{} was added. Its snippet:\n\n    {}",
                added.domain,
                serve::snippet(server, &added.id.to_string())
            );
        }
        WebsiteCommand::List => {
            let websites: Vec<Value> = remote.ask(Method::GET, "/api/v1/websites", None).await?;
            for website in websites {
                let text =
                    |name: &str| website.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
                println!("{}  {:<32} {}", text("id"), text("domain"), text("timezone"));
            }
        }
        WebsiteCommand::Delete { website } => {
            let website = remote.website(&website).await?;
            let path = format!("/api/v1/websites/{}", website.id);
            let deleted: RemoteWebsite = remote.ask(Method::DELETE, &path, None).await?;
            println!("{} was deleted; its data is erased within minutes.", deleted.domain);
        }
    }
    Ok(())
}

/// How an erasure stands.
#[derive(Deserialize)]
struct Erasure {
    id: uuid::Uuid,
    state: String,
}

/// How often `footfall erase` asks whether it is done.
const ERASE_LOOK: Duration = Duration::from_secs(1);

/// `footfall erase`: has one visitor of a website erased, and waits until it is done.
pub async fn erase(
    website: &str,
    user_id: Option<&str>,
    visitor_id: Option<u64>,
    remote: &RemoteArgs,
) -> anyhow::Result<()> {
    let remote = Remote::new(remote)?;
    let website = remote.website(website).await?;
    let path = format!("/api/v1/websites/{}/erasures", website.id);
    let visitor_id = visitor_id.map(|id| id.to_string());
    let body = json!({ "user_id": user_id, "visitor_id": visitor_id });
    let mut erasure: Erasure = remote.ask(Method::POST, &path, Some(body)).await?;
    eprintln!("The erasure {} is asked for; waiting until the loaders have taken it up.", erasure.id);
    while erasure.state != "done" {
        tokio::time::sleep(ERASE_LOOK).await;
        erasure = remote.ask(Method::GET, &format!("{path}/{}", erasure.id), None).await?;
    }
    println!("The visitor is erased from {}.", website.domain);
    Ok(())
}

/// What the server says of a key that it has made.
#[derive(Deserialize)]
struct NewKey {
    #[serde(rename = "apiKey")]
    api_key: String,
}

/// `footfall key`: makes a key that is good for one website only and prints it, this once.
pub async fn key(website: &str, label: &str, remote: &RemoteArgs) -> anyhow::Result<()> {
    let remote = Remote::new(remote)?;
    let website = remote.website(website).await?;
    let path = format!("/api/v1/websites/{}/keys", website.id);
    let made: NewKey = remote.ask(Method::POST, &path, Some(json!({ "email": label }))).await?;
    // The key alone on standard output, so that a script can take it from there.
    eprintln!("A key for {} only, shown this once:", website.domain);
    println!("{}", made.api_key);
    Ok(())
}
