//! Talks to a running Footfall, for the commands that need one.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use url::Url;
use uuid::Uuid;

/// How long a server may be silent. It answers a request of an import when every line of it is on disk, and one that waits
/// for the loader after half a minute: a slow line, a slow disk and a busy machine together stay far below this, so that
/// whoever is silent for longer hangs. It is no bound of the whole import, nor of an answer that keeps coming.
const SILENCE: Duration = Duration::from_mins(5);

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
    key: HeaderValue,
    client: Client,
    silence: Duration,
}

/// Why a running server did not do what it was asked.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// Nothing answered, or it went away before it had answered.
    #[error(
        "no Footfall answers at {server} ({cause}); start one with `footfall serve`, or name another with --server URL"
    )]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What the connection said.
        cause: String,
    },
    /// It took the request and says nothing.
    #[error("the Footfall at {server} has not answered for {} s", silence.as_secs())]
    Silent {
        /// Where it is.
        server: String,
        /// How long it was waited for.
        silence: Duration,
    },
    /// It went away while it answered.
    #[error("the server's answer broke off")]
    BrokeOff(#[source] reqwest::Error),
    /// It does not know the key.
    #[error("the server does not know this API key")]
    Unauthorized,
    /// It said no.
    #[error("the server refused ({status}): {reason}")]
    Refused {
        /// The status.
        status: u16,
        /// Its own words.
        reason: String,
    },
    /// Its words are not those of a Footfall.
    #[error("the server's answer was not understood")]
    NotUnderstood(#[source] serde_json::Error),
}

impl RemoteError {
    /// Whether the same request may do better later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::BrokeOff(_) => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Unauthorized | Self::NotUnderstood(_) => false,
        }
    }
}

#[derive(Deserialize)]
struct Success<T> {
    data: T,
}

impl Remote {
    /// The server that the arguments name.
    pub fn new(args: &RemoteArgs) -> anyhow::Result<Self> {
        Self::patient(args, SILENCE)
    }

    /// The same, silent for at most so long.
    pub(crate) fn patient(args: &RemoteArgs, silence: Duration) -> anyhow::Result<Self> {
        let key = args.key.as_deref().map(str::trim).filter(|key| !key.is_empty()).context(
            "an API key is needed: --key KEY or FOOTFALL_KEY (`footfall serve` prints the admin's at its first start)",
        )?;
        let mut key = HeaderValue::from_str(key)
            .ok()
            .context("the API key (--key or FOOTFALL_KEY) must be one line of plain text")?;
        key.set_sensitive(true);
        let server = args.server.trim().trim_end_matches('/').to_owned();
        let is_url =
            Url::parse(&server).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_url {
            bail!("--server (or FOOTFALL_SERVER) must be a URL like http://localhost:8000, not `{server}`");
        }
        let client =
            Client::builder().connect_timeout(Duration::from_secs(5)).read_timeout(silence).build()?;
        Ok(Self { server, key, client, silence })
    }

    /// Asks and reads the `data` of the answer.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, RemoteError> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .header("x-api-key", self.key.clone());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.read(response).await
    }

    /// Sends NDJSON and reads the `data` of the answer. `Ok(Err(seconds))`: the server asks to try again later.
    pub async fn send_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        lines: Vec<u8>,
    ) -> Result<Result<T, Duration>, RemoteError> {
        let request = self
            .client
            .post(format!("{}{path}", self.server))
            .header("x-api-key", self.key.clone())
            .header("content-type", "application/x-ndjson")
            .body(lines);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let seconds =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            return Ok(Err(Duration::from_secs(seconds.unwrap_or(2))));
        }
        self.read(response).await.map(Ok)
    }

    /// All websites that the key may see.
    pub async fn websites(&self) -> Result<Vec<RemoteWebsite>, RemoteError> {
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

    fn unreachable(&self, error: &reqwest::Error) -> RemoteError {
        let server = self.server.clone();
        if error.is_timeout() && !error.is_connect() {
            return RemoteError::Silent { server, silence: self.silence };
        }
        RemoteError::Unreachable { server, cause: service::problem::chain(error) }
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, RemoteError> {
        let status = response.status();
        let body = response.bytes().await.map_err(|error| {
            if error.is_timeout() { self.unreachable(&error) } else { RemoteError::BrokeOff(error) }
        })?;
        if status == StatusCode::UNAUTHORIZED {
            return Err(RemoteError::Unauthorized);
        }
        if !status.is_success() {
            let reason = serde_json::from_slice::<Value>(&body)
                .ok()
                .and_then(|answer| Some(answer.get("error")?.get("message")?.as_str()?.to_owned()))
                .unwrap_or_else(|| "no reason given".to_owned());
            return Err(RemoteError::Refused { status: status.as_u16(), reason });
        }
        let answer: Success<T> = serde_json::from_slice(&body).map_err(RemoteError::NotUnderstood)?;
        Ok(answer.data)
    }
}
