//! The end, passed in: every server and worker gets a [`Stop`] and ends its work when it is cancelled.

/// Cancelled when the process is to end.
pub type Stop = tokio_util::sync::CancellationToken;

/// A [`Stop`] that SIGTERM or SIGINT cancels.
pub fn on_signal() -> Stop {
    let stop = Stop::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        signalled().await;
        tracing::info!("A stop was asked for.");
        cancel.cancel();
    });
    stop
}

#[cfg(unix)]
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "Signals cannot be received; only a kill ends this process.");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
async fn signalled() {
    let _ = tokio::signal::ctrl_c().await;
}
