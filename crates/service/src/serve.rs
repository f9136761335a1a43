//! One server: a router on a listener, until it is told to stop. Clients that are slow or silent are closed, so that
//! nobody can hold what others need.
//!
//! A body's time is the handler's to bound ([`crate::extract`]); everything else about a connection is bounded here.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::Service as _;

use crate::metrics::Open;
use crate::stop::Stop;

mod pace;

use pace::{Held, Paced, Phase};

/// How long to wait before the next connection is taken after this process ran out of files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What connections may take. The defaults are those of every server of the house.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Connections held at once; further ones wait in the kernel's queue. 4096: a connection costs some ten
    /// kilobytes. Where the process may open fewer files, taking connections pauses at that bound.
    pub connections: usize,
    /// How long a request's head may take, from its first byte; on a new connection from its opening. 10 s.
    pub head: Duration,
    /// How long a connection may wait for its next request. 75 s: above the 60 s that proxies keep theirs, so that it
    /// is the proxy who closes.
    pub idle: Duration,
    /// How long a client may take nothing of an answer that waits for it. 30 s.
    pub stall: Duration,
    /// How long requests in flight may take after a stop was asked for. 10 s.
    pub drain: Duration,
    /// Headers of one request. 100: browsers send some twenty, proxies add some ten. More are answered with 431.
    pub headers: usize,
    /// Bytes of a request's head. 64 KiB: URLs have up to 8 KiB. More are answered with 431.
    pub head_bytes: usize,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 4096,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            headers: 100,
            head_bytes: 64 * 1024,
        }
    }
}

/// Serves with the default options until `stop` is cancelled, then finishes the requests in flight, for at most ten
/// seconds. Every request is measured ([`crate::metrics::measured`]).
pub async fn serve(router: Router, listener: TcpListener, stop: Stop) -> std::io::Result<()> {
    serve_with(crate::metrics::measured(router), listener, stop, ServeOptions::default()).await
}

/// The same with other options, and without measuring. Handlers find the peer as `ConnectInfo<SocketAddr>`.
pub async fn serve_with(
    router: Router,
    listener: TcpListener,
    stop: Stop,
    options: ServeOptions,
) -> std::io::Result<()> {
    let server = Arc::new(Server { router: router.with_state(()), stop: stop.clone(), options });
    let room = Arc::new(Semaphore::new(server.options.connections));
    let mut connections = JoinSet::new();
    while let Some((socket, peer, permit)) = next(&listener, &room, &stop).await {
        // Those that have ended are forgotten as others come.
        while connections.try_join_next().is_some() {}
        connections.spawn(Arc::clone(&server).hold(socket, peer, permit));
    }
    // New connections are refused from here on.
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(server.options.drain, drained).await.is_err() {
        let seconds = server.options.drain.as_secs();
        tracing::warn!(seconds, "Requests were still in flight long after the stop; they were cut off.");
    }
    Ok(())
}

/// The next connection, when there is room for one; `None` when the server is to stop.
async fn next(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    stop: &Stop,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            taken = async {
                let permit = Arc::clone(room).acquire_owned().await.map_err(Error::other)?;
                let (socket, peer) = listener.accept().await?;
                Ok::<_, Error>((socket, peer, permit))
            } => taken,
        };
        match taken {
            Ok(taken) => return Some(taken),
            // The client went away before it was taken.
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "No connection can be taken; it is tried again in a second.");
                tokio::select! {
                    () = stop.cancelled() => return None,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

fn is_of_the_client(error: &Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

struct Server {
    router: Router,
    stop: Stop,
    options: ServeOptions,
}

impl Server {
    /// Answers a connection's requests, one after the other, until it is closed.
    async fn hold(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, _permit: OwnedSemaphorePermit) {
        let _open = Open::connection();
        // Answers are small, and whoever asks waits for them.
        let _ = socket.set_nodelay(true);
        let phase = Phase::default();
        let socket = Paced::new(socket, phase.clone(), &self.options);
        let answer = service_fn(|mut request: Request<Incoming>| {
            let held = phase.hold();
            request.extensions_mut().insert(ConnectInfo(peer));
            let answering = self.router.clone().call(request);
            async move { answering.await.map(|response| response.map(|body| Held::new(body, held))) }
        });
        let connection = http1::Builder::new()
            .max_headers(self.options.headers)
            .max_buf_size(self.options.head_bytes)
            .serve_connection(TokioIo::new(socket), answer);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Ordinary: clients go away, and slow ones are closed.
            let cause = crate::problem::chain(&error);
            tracing::debug!(cause, "A connection was closed before its end.");
        }
    }
}
