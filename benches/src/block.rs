//! A block as it goes over the wire: what the loader sends once is kept, and sent again as it is.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use clickhouse::{Client, Compression};
use http::StatusCode;
use ingest::load::insert::insert_events;
use schema::rows::EventRow;
use service::Stop;
use tokio::net::TcpListener;

/// The bytes of one insert, and the query that they belong to.
#[derive(Debug, Clone)]
pub struct Block {
    query: Vec<(String, String)>,
    body: Bytes,
    /// How many rows it has.
    pub rows: u64,
}

type Kept = Arc<Mutex<Option<(String, Bytes)>>>;

/// What encodes rows as the loader does: its own insert, into a server that keeps the bytes.
pub struct Encoder {
    kept: Kept,
    client: Client,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Encoder {
    /// Starts its server.
    pub async fn start() -> anyhow::Result<Self> {
        let kept = Kept::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(keep).with_state(Arc::clone(&kept));
        let serving = tokio::spawn(axum::serve(listener, router).into_future());
        // Without the columns' types before the rows, for which the server would be asked.
        // Not compressed, as the loader sends to a store on its own machine.
        let client =
            Client::default().with_url(url).with_validation(false).with_compression(Compression::None);
        Ok(Self { kept, client, serving })
    }

    /// Encodes rows.
    pub async fn encode(&self, rows: &[EventRow]) -> anyhow::Result<Block> {
        let refused = insert_events(&self.client, "encoded", rows, &Stop::new()).await?;
        ensure!(refused.is_empty(), "rows were refused");
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (query, body) = kept.context("no block came")?;
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Block { query, body, rows: rows.len() as u64 })
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn keep(State(kept): State<Kept>, request: Request) -> StatusCode {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let Ok(body) = to_bytes(request.into_body(), usize::MAX).await else { return StatusCode::BAD_REQUEST };
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((query, body));
    StatusCode::OK
}

impl Block {
    /// Its size, as it is sent.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Inserts it into a database, under a token of its own.
    pub async fn insert(
        &self,
        http: &reqwest::Client,
        server: &str,
        database: &str,
        token: &str,
    ) -> anyhow::Result<()> {
        let mut url = url::Url::parse(server)?;
        let others = |(name, _): &&(String, String)| {
            !matches!(name.as_str(), "database" | "insert_deduplication_token")
        };
        url.query_pairs_mut()
            .extend_pairs(self.query.iter().filter(others))
            .append_pair("database", database)
            .append_pair("insert_deduplication_token", token);
        let response = http.post(url).body(self.body.clone()).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "the insert was refused: {text}");
        Ok(())
    }
}
