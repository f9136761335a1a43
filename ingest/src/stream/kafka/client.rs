//! How the librdkafka clients are set up, and where they are dropped.

use std::ops::Deref;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};

use super::KafkaOptions;

impl KafkaOptions {
    /// What every client has in common.
    pub(super) fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("client.id", "footfall")
            // A broker that comes back is noticed soon.
            .set("reconnect.backoff.max.ms", "1000");
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// A client that keeps order and duplicates nothing while it retries, for a bounded time.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "lz4")
            // Concurrent requests share a batch.
            .set("linger.ms", "3")
            .set("message.timeout.ms", self.message_timeout.as_millis().to_string())
            .set("queue.buffering.max.kbytes", self.queue_bytes.div_ceil(1024).to_string())
            .set("queue.buffering.max.messages", "1000000");
        config
    }

    /// A member of the group. Partitions move one by one, so that a loader keeps what it keeps.
    pub(super) fn member(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("group.id", &self.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", (self.session_timeout.as_millis() / 6).max(1).to_string())
            // An offset means "inserted": only the loader may say it.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            // The latency of a quiet topic.
            .set("fetch.wait.max.ms", "50")
            // Per partition; a loader takes at most some ten MiB at once.
            .set("queued.max.messages.kbytes", "16384");
        config
    }

    /// Knows the group's offsets without being a member.
    pub(super) fn asker(&self) -> KafkaResult<BaseConsumer<Telemetry>> {
        let mut config = self.base();
        config.set("group.id", &self.group).set("enable.auto.commit", "false");
        BaseConsumer::from_config_and_context(&config, Telemetry)
    }
}

/// librdkafka's log lines, as ours.
pub(super) struct Telemetry;

impl ClientContext for Telemetry {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

impl ConsumerContext for Telemetry {}

pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(facility, message, "librdkafka reports an error."),
        RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "librdkafka warns."),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(facility, message, "librdkafka says.");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(facility, message, "librdkafka says."),
    }
}

pub(super) fn report(error: &KafkaError, reason: &str) {
    tracing::warn!(%error, reason, "The Kafka client has an error; it goes on trying.");
}

/// A client whose drop, which waits for brokers and threads, happens on a thread of its own.
pub(super) struct OffThread<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> OffThread<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for OffThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap_or_else(|| unreachable!("only the drop takes the client"))
    }
}

impl<T: Send + 'static> Drop for OffThread<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        // When no thread can be had, the client is dropped here after all.
        let _ = std::thread::Builder::new().name("kafka-drop".into()).spawn(move || drop(client));
    }
}
