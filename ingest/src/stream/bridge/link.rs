//! The way to Kafka: made in the background when the brokers were away at the start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::stream::kafka::{Kafka, KafkaOptions};
use crate::stream::{Leases, Stream as _, StreamError};

/// Pause after a cluster that cannot be used: only a person changes that.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Link(watch::Sender<Option<Arc<Kafka>>>);

impl Link {
    pub(super) fn new(kafka: Option<Arc<Kafka>>) -> Self {
        Self(watch::Sender::new(kafka))
    }

    pub(super) fn kafka(&self) -> Option<Arc<Kafka>> {
        self.0.borrow().clone()
    }

    pub(super) fn required(&self) -> Result<Arc<Kafka>, StreamError> {
        self.kafka().ok_or_else(|| StreamError::Unavailable("no Kafka broker has answered yet".into()))
    }

    /// Waits for the first connection.
    pub(super) async fn connected(&self) -> Result<Arc<Kafka>, StreamError> {
        let mut kafka = self.0.subscribe();
        let connected = kafka.wait_for(Option::is_some).await.map_err(|_| StreamError::Closed)?;
        connected.clone().ok_or(StreamError::Closed)
    }

    /// Connects once, whenever that is, or until `stop`.
    pub(super) async fn connect(&self, options: &KafkaOptions, stop: &CancellationToken) {
        loop {
            let refused = match Kafka::open_patiently(options, stop).await {
                Ok(None) => return,
                Ok(Some(kafka)) if kafka.partitions() == options.partitions => {
                    self.0.send_replace(Some(kafka));
                    return;
                }
                Ok(Some(kafka)) => {
                    tracing::error!(
                        topic = options.topic,
                        existing = kafka.partitions(),
                        journaled = options.partitions,
                        "The topic's number of partitions is not the one that events were journaled for. Nothing \
                         is sent, because a person's events would go to another partition; they stay in the \
                         bridge's journal until the topic is as it was."
                    );
                    kafka.close().await;
                    LOOK_AGAIN
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "Kafka cannot be used; events stay in the bridge's journal."
                    );
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(refused) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Leases that begin to arrive when there is a connection.
    pub(super) fn leases(
        self: &Arc<Self>,
        partitions: u32,
        stop: CancellationToken,
        closing: &CancellationToken,
    ) -> Result<Leases, StreamError> {
        if let Some(kafka) = self.kafka() {
            return kafka.leases(stop);
        }
        let (offers, leases) = tokio::sync::mpsc::channel(partitions.max(1) as usize);
        let (link, closing) = (Arc::clone(self), closing.clone());
        tokio::spawn(async move {
            let connected = tokio::select! {
                connected = link.connected() => connected,
                () = stop.cancelled() => return,
                () = closing.cancelled() => return,
                () = offers.closed() => return,
            };
            let mut inner = match connected.and_then(|kafka| kafka.leases(stop)) {
                Ok(inner) => inner,
                Err(error) => {
                    // The receiver ends, and whoever loads begins again.
                    tracing::warn!(error = &error as &dyn std::error::Error, "Kafka gave no leases.");
                    return;
                }
            };
            loop {
                let lease = tokio::select! {
                    lease = inner.recv() => lease,
                    () = offers.closed() => None,
                };
                let Some(lease) = lease else { return };
                if offers.send(lease).await.is_err() {
                    return;
                }
            }
        });
        Ok(leases)
    }
}
