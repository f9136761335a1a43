//! Wire body → hit: one file per published API, and the tracker.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use clickhouse::Client;
use directory::Directory;
use http::request::Parts;
use http::{Extensions, HeaderMap, Uri};
use service::client_address::{TrustedProxies, named};
use service::dialect::unknown_route;
use service::limits::Limiter;
use service::{Clock, Problem, Stop};
use uuid::Uuid;

use crate::collect::Collector;
use crate::enrich::redact::Addresses;

mod bitcain;
mod cors;
mod import;
mod lena;
mod relay;
mod tinytrail;
mod tracker;
mod unpack;
mod wire;

pub use wire::{ImportLine, Refusal};

/// What the handlers share. Behind one pointer, because every request and every layer of it has an `App` of its own.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// Takes the hits.
    pub collector: Arc<Collector>,
    /// Requests to the collect endpoint, by website and client address.
    pub collect_limit: Limiter<(Option<Uuid>, IpAddr)>,
    /// Requests to Lena's endpoint, by client address.
    pub lena_limit: Limiter<IpAddr>,
    /// Requests to bitcain's endpoints, by the key's user.
    pub bitcain_limit: Limiter<Uuid>,
    /// Whose forwarded addresses are believed.
    pub proxies: TrustedProxies,
    /// The time.
    pub clock: Clock,
    /// The store, for its health and for counts of what is in it.
    pub store: Arc<Client>,
    /// The end of the process: long waits stop waiting.
    pub stop: Stop,
}

impl From<Shared> for App {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl FromRef<App> for Arc<Directory> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(app.collector.directory())
    }
}

/// Every surface that writes, and the tracker. `/health` is [`health`], since another binary's router may have its own.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(tinytrail::routes(app.clone()))
        .merge(lena::routes(app.clone()))
        .merge(bitcain::routes(app.clone()))
        .merge(import::routes(app))
        .merge(tracker::routes())
}

/// `GET /health`.
pub fn health(app: &App) -> Router {
    service::health::router(store_check(app))
}

/// Asks the store whether it lives.
fn store_check(app: &App) -> service::health::Check {
    let client = Arc::clone(&app.store);
    Arc::new(move || {
        let client = Arc::clone(&client);
        Box::pin(async move { schema::store::answers(&client).await })
    })
}

/// All that the collect role answers when it has a port to itself: [`router`], [`health`], and a refusal of every path
/// that is no route.
pub fn alone(app: App) -> Router {
    let health = health(&app);
    router(app).merge(health).fallback(async |uri: Uri| unknown_route(&uri))
}

/// The client's address, behind the proxies that are trusted.
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        client_address(&parts.extensions, &parts.headers, &app.proxies).map(Self)
    }
}

/// All addresses that a request came with, whether they are believed or not. The client's is one of them.
impl FromRequestParts<App> for Addresses {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        Ok(named(&parts.headers).chain([peer(&parts.extensions)?]).collect())
    }
}

/// The client's address behind the proxies that are trusted.
fn client_address(
    extensions: &Extensions,
    headers: &HeaderMap,
    proxies: &TrustedProxies,
) -> Result<IpAddr, Problem> {
    Ok(proxies.client(peer(extensions)?, headers))
}

/// The client's address behind the proxies that are trusted, and all that a request came with.
fn addresses_of(parts: &Parts, proxies: &TrustedProxies) -> Result<(IpAddr, Addresses), Problem> {
    let peer = peer(&parts.extensions)?;
    Ok((proxies.client(peer, &parts.headers), named(&parts.headers).chain([peer]).collect()))
}

/// The other end of the connection.
fn peer(extensions: &Extensions) -> Result<IpAddr, Problem> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| peer.0.ip())
        .ok_or_else(|| Problem::internal("the server was started without connection info"))
}
