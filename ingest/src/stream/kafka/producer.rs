//! The idempotent producer, and its replacement after a fatal error.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{OffThread, Telemetry};
use super::offsets::offset_of;
use super::{KafkaOptions, lock, unavailable};
use crate::stream::{Offset, Record, StreamError};

type Client = OffThread<FutureProducer<Telemetry>>;

pub(super) struct Producer {
    client: ArcSwap<Client>,
    renewing: Mutex<()>,
    config: ClientConfig,
    topic: String,
    max_record_bytes: usize,
}

/// A record on its way, or refused before it left.
enum Fate {
    Sent(DeliveryFuture),
    Refused(StreamError),
}

fn connect(config: &ClientConfig) -> KafkaResult<Arc<Client>> {
    FutureProducer::from_config_and_context(config, Telemetry).map(|client| Arc::new(OffThread::new(client)))
}

impl Producer {
    pub(super) fn new(options: &KafkaOptions) -> KafkaResult<Self> {
        let config = options.producer();
        Ok(Self {
            client: ArcSwap::new(connect(&config)?),
            renewing: Mutex::new(()),
            config,
            topic: options.topic.clone(),
            max_record_bytes: options.max_record_bytes,
        })
    }

    pub(super) async fn append(&self, records: &[Record]) -> Vec<Result<Offset, StreamError>> {
        let client = self.client.load_full();
        let fates = self.enqueue(&client, records);
        let mut results = Vec::with_capacity(fates.len());
        for fate in fates {
            results.push(match fate {
                Fate::Sent(delivery) => match delivery.await {
                    Ok(Ok(delivered)) => Ok(offset_of(delivered.offset)),
                    Ok(Err((error, _))) => Err(refusal(error)),
                    Err(canceled) => Err(unavailable(canceled)),
                },
                Fate::Refused(error) => Err(error),
            });
        }
        if results.iter().any(|result| matches!(result, Err(StreamError::Unavailable(_)))) {
            self.renew_if_fatal(&client);
        }
        results
    }

    /// All records in order, without an await between them, so that they keep their order.
    fn enqueue(&self, client: &Client, records: &[Record]) -> Vec<Fate> {
        let mut fates = Vec::with_capacity(records.len());
        let mut full = false;
        for record in records {
            let fate = if record.payload.len() > self.max_record_bytes {
                Fate::Refused(StreamError::TooLarge)
            } else if full {
                // A later record must not overtake an earlier one that the caller will send again.
                Fate::Refused(StreamError::Full)
            } else {
                let message = FutureRecord::<(), [u8]>::to(&self.topic)
                    .partition(record.partition.cast_signed())
                    .payload(&record.payload);
                match client.send_result(message) {
                    Ok(delivery) => Fate::Sent(delivery),
                    Err((error, _)) => Fate::Refused(refusal(error)),
                }
            };
            full = full || matches!(fate, Fate::Refused(StreamError::Full));
            fates.push(fate);
        }
        fates
    }

    /// After a fatal error a producer takes nothing any more. The next calls get a new one; what the old one
    /// still held is answered as not stored.
    fn renew_if_fatal(&self, client: &Arc<Client>) {
        let Some((code, reason)) = client.client().fatal_error() else { return };
        let _renewing = lock(&self.renewing);
        if !Arc::ptr_eq(&self.client.load(), client) {
            return;
        }
        tracing::error!(%code, reason, "The Kafka producer had a fatal error and is replaced.");
        match connect(&self.config) {
            Ok(renewed) => self.client.store(renewed),
            Err(error) => tracing::error!(%error, "The Kafka producer could not be replaced yet."),
        }
    }

    /// Waits for what is under way.
    pub(super) async fn flush(&self, patience: Duration) {
        let client = self.client.load_full();
        let flushed = tokio::task::spawn_blocking(move || client.flush(patience)).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "The Kafka producer closed with records under way.");
        }
    }
}

fn refusal(error: KafkaError) -> StreamError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => StreamError::Full,
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
            StreamError::TooLarge
        }
        _ => unavailable(error),
    }
}
