//! One server: a router on a listener, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::stop::Stop;

/// How long requests in flight may take after a stop was asked for.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stop` is cancelled, then finishes the requests in flight, for at most ten seconds.
pub async fn serve(router: Router, listener: TcpListener, stop: Stop) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => {
            tracing::warn!("Requests were still in flight ten seconds after the stop; they were cut off.");
            Ok(())
        }
    }
}
