//! The idempotent producer, and its replacement after a fatal error.

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode;

use super::client::{OffThread, Telemetry};
use super::offsets::offset_of;
use super::receipts::{self, Receipt};
use super::{KafkaOptions, lock, unavailable};
use crate::stream::{Offset, Partition, Record, StreamError};

/// Counts the clients that a producer has had. What one of them holds in its queue keeps its order; across two nothing is in order.
pub(in crate::stream) type Generation = u64;

struct Client {
    generation: Generation,
    inner: OffThread<FutureProducer<Telemetry>>,
}

impl Deref for Client {
    type Target = FutureProducer<Telemetry>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

pub(super) struct Producer {
    client: ArcSwap<Client>,
    renewing: Mutex<()>,
    config: ClientConfig,
    topic: String,
    max_record_bytes: usize,
}

/// What became of a record that was sent with a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::stream) enum Fate {
    /// It is on the brokers' disks.
    Delivered(Offset),
    /// The brokers do not take records of this size.
    TooLarge,
    /// The producer has given it up. Perhaps the brokers have it all the same.
    Unsure,
}

/// Tells what became of a record, as often as it is asked.
pub(in crate::stream) type Delivery = Shared<BoxFuture<'static, Fate>>;

/// A record on its way, or refused before it left.
enum Sending {
    Sent(DeliveryFuture),
    Refused(StreamError),
}

fn connect(config: &ClientConfig, generation: Generation) -> KafkaResult<Arc<Client>> {
    let client = FutureProducer::from_config_and_context(config, Telemetry)?;
    Ok(Arc::new(Client { generation, inner: OffThread::new(client) }))
}

impl Producer {
    pub(super) fn new(options: &KafkaOptions) -> KafkaResult<Self> {
        let config = options.producer();
        Ok(Self {
            client: ArcSwap::new(connect(&config, 0)?),
            renewing: Mutex::new(()),
            config,
            topic: options.topic.clone(),
            max_record_bytes: options.max_record_bytes,
        })
    }

    pub(super) async fn append(&self, records: &[Record]) -> Vec<Result<Offset, StreamError>> {
        let client = self.client.load_full();
        let sendings = self.enqueue(&client, records);
        let mut results = Vec::with_capacity(sendings.len());
        for sending in sendings {
            results.push(match sending {
                Sending::Sent(delivery) => match delivery.await {
                    Ok(Ok(delivered)) => Ok(offset_of(delivered.offset)),
                    Ok(Err((error, _))) => Err(refusal(error)),
                    Err(canceled) => Err(unavailable(canceled)),
                },
                Sending::Refused(error) => Err(error),
            });
        }
        if results.iter().any(|result| matches!(result, Err(StreamError::Unavailable(_)))) {
            self.renew_if_fatal(&client);
        }
        results
    }

    /// All records in order, without an await between them, so that they keep their order.
    fn enqueue(&self, client: &Client, records: &[Record]) -> Vec<Sending> {
        let mut sendings = Vec::with_capacity(records.len());
        let mut full = false;
        for record in records {
            let sending = if record.payload.len() > self.max_record_bytes {
                Sending::Refused(StreamError::TooLarge)
            } else if full {
                // A later record must not overtake an earlier one that the caller will send again.
                Sending::Refused(StreamError::Full)
            } else {
                let message = FutureRecord::<(), [u8]>::to(&self.topic)
                    .partition(record.partition.cast_signed())
                    .payload(&record.payload);
                match client.send_result(message) {
                    Ok(delivery) => Sending::Sent(delivery),
                    Err((error, _)) => Sending::Refused(refusal(error)),
                }
            };
            full = full || matches!(sending, Sending::Refused(StreamError::Full));
            sendings.push(sending);
        }
        sendings
    }

    /// Puts one record into the queue, in the order of the calls, without waiting. With `behind` only into the
    /// queue of that client: a later one might deliver it before what it must follow.
    pub(super) fn send(
        self: &Arc<Self>,
        partition: Partition,
        payload: &[u8],
        receipt: &Receipt,
        behind: Option<Generation>,
    ) -> Result<(Delivery, Generation), StreamError> {
        let client = self.client.load_full();
        let generation = client.generation;
        if behind.is_some_and(|behind| behind != generation) {
            return Err(StreamError::Unavailable("the producer was replaced".into()));
        }
        let header = Header { key: receipts::HEADER, value: Some(receipt.as_bytes()) };
        let message = FutureRecord::<(), [u8]>::to(&self.topic)
            .partition(partition.cast_signed())
            .payload(payload)
            .headers(OwnedHeaders::new_with_capacity(1).insert(header));
        let delivery = client.send_result(message).map_err(|(error, _)| {
            self.renew_if_fatal(&client);
            refusal(error)
        })?;
        let producer = Arc::clone(self);
        let fate = async move {
            match delivery.await {
                Ok(Ok(delivered)) => Fate::Delivered(offset_of(delivered.offset)),
                Ok(Err((error, _))) => {
                    producer.renew_if_fatal(&client);
                    match refusal(error) {
                        StreamError::TooLarge => Fate::TooLarge,
                        _ => Fate::Unsure,
                    }
                }
                Err(_canceled) => Fate::Unsure,
            }
        };
        Ok((fate.boxed().shared(), generation))
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
        match connect(&self.config, client.generation + 1) {
            Ok(renewed) => {
                self.client.store(renewed);
                // Whoever waits for one of its records keeps the old client alive, and must hear.
                client.purge(PurgeConfig::default().queue().inflight());
            }
            Err(error) => tracing::error!(%error, "The Kafka producer could not be replaced yet."),
        }
    }

    /// Sends nothing more of what is under way; it is answered as unsure.
    pub(super) fn abandon(&self) {
        self.client.load().purge(PurgeConfig::default().queue().inflight());
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
