//! Talks to a running Footfall, for the commands that need one.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

/// Where the running server is, and who asks.
#[derive(Debug, Args)]
pub struct RemoteArgs {
    /// The running server.
    #[arg(long, env = "FOOTFALL_SERVER", default_value = "http://localhost:8000", global = true)]
    pub server: String,
    /// An API key of the website's account, or the admin's.
    #[arg(long, env = "FOOTFALL_KEY", hide_env_values = true, global = true)]
    pub key: Option<String>,
}

/// A website as the server describes it.
#[derive(Debug, Clone, Deserialize)]
pub struct RemoteWebsite {
    /// Its id.
    pub id: Uuid,
    /// Its domain.
    pub domain: String,
}

/// A running server.
#[derive(Clone)]
pub struct Remote {
    server: String,
    key: String,
    client: Client,
}

#[derive(Deserialize)]
struct Success<T> {
    data: T,
}

impl Remote {
    /// The server that the arguments name.
    pub fn new(args: &RemoteArgs) -> anyhow::Result<Self> {
        let key = args.key.clone().context(
            "an API key is needed: --key KEY or FOOTFALL_KEY (`footfall serve` prints the admin's at its first start)",
        )?;
        let client = Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { server: args.server.trim_end_matches('/').to_owned(), key, client })
    }

    /// Asks and reads the `data` of the answer.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<T> {
        let mut request =
            self.client.request(method, format!("{}{path}", self.server)).header("x-api-key", &self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        read(response).await
    }

    /// Sends NDJSON and reads the `data` of the answer. `Ok(Err(seconds))`: the server asks to try again later.
    pub async fn send_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        lines: Vec<u8>,
    ) -> anyhow::Result<Result<T, Duration>> {
        let request = self
            .client
            .post(format!("{}{path}", self.server))
            .header("x-api-key", &self.key)
            .header("content-type", "application/x-ndjson")
            .body(lines);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let seconds =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            return Ok(Err(Duration::from_secs(seconds.unwrap_or(2))));
        }
        read(response).await.map(Ok)
    }

    /// All websites that the key may see.
    pub async fn websites(&self) -> anyhow::Result<Vec<RemoteWebsite>> {
        self.ask(Method::GET, "/api/v1/websites", None).await
    }

    /// The website of a domain, or of an id.
    pub async fn website(&self, name: &str) -> anyhow::Result<RemoteWebsite> {
        let websites = self.websites().await?;
        let named: Vec<_> = websites
            .iter()
            .filter(|website| website.domain.eq_ignore_ascii_case(name) || website.id.to_string() == name)
            .collect();
        match named.as_slice() {
            [website] => Ok((*website).clone()),
            [] => bail!("there is no website {name}; add it with `footfall website add {name}`"),
            _ => {
                bail!("several accounts have a website {name}; give its id instead (`footfall website list`)")
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let cause = service::problem::chain(error);
        anyhow::anyhow!(
            "no Footfall answers at {} ({cause}); start one with `footfall serve`, or name another with --server URL",
            self.server
        )
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> anyhow::Result<T> {
    let status = response.status();
    let body = response.bytes().await.context("the server's answer broke off")?;
    if status == StatusCode::UNAUTHORIZED {
        bail!("the server does not know this API key");
    }
    if !status.is_success() {
        let message = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|answer| Some(answer.get("error")?.get("message")?.as_str()?.to_owned()));
        bail!(
            "the server refused ({}): {}",
            status.as_u16(),
            message.unwrap_or_else(|| "no reason given".to_owned())
        );
    }
    let answer: Success<T> =
        serde_json::from_slice(&body).context("the server's answer was not understood")?;
    Ok(answer.data)
}
