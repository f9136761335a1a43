//! The stream on Kafka: any number of collectors and loaders.
//!
//! Appends go through one idempotent producer and are answered by the brokers' delivery reports.
//! Every call of [`Stream::leases`] is one member of the consumer group; the group decides who loads
//! which partition, the committed offset says where from, and the commit's metadata carries the plan.
//! librdkafka blocks in places, so whatever may wait for a broker runs on threads of its own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use self::client::{OffThread, Telemetry};
use self::group::Group;
use self::offsets::{Topic, offset_of};
use self::producer::Producer;
pub(super) use self::producer::{Delivery, Fate, Generation};
pub(super) use self::receipts::Receipt;
use super::backoff::Backoff;
use super::{Leases, Offset, Partition, Record, Stream, StreamError};

mod client;
mod group;
mod lease;
mod offsets;
mod producer;
mod receipts;

/// Where Kafka is and how long it may take.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// The topic; made when it is missing.
    pub topic: String,
    /// The loaders' consumer group.
    pub group: String,
    /// Number of partitions of a *new* topic, at least 1. An existing topic keeps its own.
    pub partitions: u32,
    /// Copies of each partition of a new topic; -1 leaves it to the brokers' default.
    pub replication: i32,
    /// How long an append may take until it answers [`StreamError::Unavailable`]. 10 s: below the
    /// collector's own deadline. Zero: the producer never gives a record up by itself.
    pub message_timeout: Duration,
    /// How long questions (metadata, offsets) may take. 10 s.
    pub request_timeout: Duration,
    /// When a silent loader's partitions go to others. 6 s: the least that brokers allow by default.
    pub session_timeout: Duration,
    /// How long a rebalance or a stop waits for the holder of a revoked lease. 10 s: one insert and its commit.
    pub revoke_wait: Duration,
    /// The largest record. 512 KiB: below the brokers' default of 1 MB for a batch.
    pub max_record_bytes: usize,
    /// Bytes of records that may wait in memory for the brokers; beyond it appends answer
    /// [`StreamError::Full`]. 64 MiB.
    pub queue_bytes: u32,
    /// More librdkafka properties, such as those for TLS and SASL. What correctness depends on cannot be
    /// changed here.
    pub extra: Vec<(String, String)>,
}

impl KafkaOptions {
    /// The documented defaults for a cluster and a number of partitions: topic `events`, group `footfall-load`.
    pub fn new(brokers: impl Into<String>, partitions: u32) -> Self {
        Self {
            brokers: brokers.into(),
            topic: "events".into(),
            group: "footfall-load".into(),
            partitions,
            replication: -1,
            message_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(6),
            revoke_wait: Duration::from_secs(10),
            max_record_bytes: 512 << 10,
            queue_bytes: 64 << 20,
            extra: Vec::new(),
        }
    }
}

impl std::fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values of `extra` may be passwords.
        let extra: Vec<&str> = self.extra.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaOptions")
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("partitions", &self.partitions)
            .field("extra", &extra)
            .finish_non_exhaustive()
    }
}

/// Why the stream on Kafka could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A property is unknown or has a wrong value.
    #[error("the Kafka client could not be configured")]
    Config(#[source] KafkaError),
    /// No broker answered in time.
    #[error("no Kafka broker answered")]
    Unreachable(#[source] KafkaError),
    /// The topic is missing and could not be made, or has no usable partitions.
    #[error("the topic {0} is not there and could not be made")]
    NoTopic(String),
    /// A topic has at least one partition.
    #[error("a topic needs at least one partition")]
    NoPartitions,
}

/// The stream on Kafka.
pub struct Kafka {
    id: String,
    partitions: u32,
    options: KafkaOptions,
    producer: Arc<Producer>,
    /// A member of no group that asks for offsets.
    asker: Arc<OffThread<BaseConsumer<Telemetry>>>,
    closing: CancellationToken,
    /// Resolve when a group's thread has left the group.
    groups: Mutex<Vec<oneshot::Receiver<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StreamError {
    StreamError::Unavailable(Box::new(error))
}

/// Pauses between two attempts to connect at the start.
const CONNECT_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long [`Kafka::reach`] waits: a broker that is there answers within milliseconds.
const REACH: Duration = Duration::from_secs(2);
/// The least time for the producer's records under way when the stream is closed.
const LAST_FLUSH: Duration = Duration::from_millis(100);
/// How often a topic that was just made is looked for.
const TOPIC_POLL: Duration = Duration::from_millis(100);

impl Kafka {
    /// Connects, and makes the topic when it is missing. Fails when no broker answers: how many partitions there
    /// are must be known before the first record.
    pub async fn open(options: KafkaOptions) -> Result<Arc<Self>, OpenError> {
        if options.partitions == 0 {
            return Err(OpenError::NoPartitions);
        }
        let producer = Arc::new(Producer::new(&options).map_err(OpenError::Config)?);
        let asker = options.asker().map_err(OpenError::Config)?;
        let asker = Arc::new(OffThread::new(asker));
        let partitions = ensure_topic(&asker, &options).await?;
        if partitions != options.partitions {
            tracing::warn!(
                topic = options.topic,
                existing = partitions,
                asked = options.partitions,
                "The topic keeps its number of partitions: with another number a person's events would \
                 move to another partition and be loaded out of order."
            );
        }
        tracing::info!(topic = options.topic, partitions, "The stream on Kafka was opened.");
        Ok(Arc::new(Self {
            id: format!("kafka-{}", options.topic),
            partitions,
            producer,
            asker,
            closing: CancellationToken::new(),
            groups: Mutex::new(Vec::new()),
            options,
        }))
    }

    /// Connects as [`Kafka::open`] does, and goes on trying while no broker answers. Returns nothing when `stop`
    /// was cancelled first.
    pub async fn open_patiently(
        options: &KafkaOptions,
        stop: &CancellationToken,
    ) -> Result<Option<Arc<Self>>, OpenError> {
        let mut backoff = Backoff::new(CONNECT_AGAIN);
        loop {
            let opened = tokio::select! {
                opened = Self::open(options.clone()) => opened,
                () = stop.cancelled() => return Ok(None),
            };
            let error = match opened {
                Ok(kafka) => return Ok(Some(kafka)),
                Err(error @ (OpenError::Unreachable(_) | OpenError::NoTopic(_))) => error,
                Err(error) => return Err(error),
            };
            let wait = backoff.next();
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                wait_ms = wait.as_millis() as u64,
                "Kafka cannot be used yet; it is tried again."
            );
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
    }

    /// Puts one record into the producer's queue, in the order of the calls, without waiting. The receipt travels
    /// beside it, and finds it again in [`Kafka::find`]. Its size is the caller's to check. With `behind`, only into the
    /// queue of that client of the producer.
    pub(super) fn send(
        &self,
        partition: Partition,
        payload: &[u8],
        receipt: &Receipt,
        behind: Option<Generation>,
    ) -> Result<(Delivery, Generation), StreamError> {
        if self.closing.is_cancelled() {
            return Err(StreamError::Closed);
        }
        self.producer.send(partition, payload, receipt, behind)
    }

    /// Whether the broker that leads a partition answers, asked for a short time.
    pub(super) async fn reach(&self, partition: Partition) -> Result<(), StreamError> {
        let watermarks = move |asker: &BaseConsumer<Telemetry>, topic: &Topic| {
            asker.fetch_watermarks(&topic.name, partition.cast_signed(), REACH)
        };
        self.ask(watermarks).await.map(drop)
    }

    /// Which of these receipts are in a partition, among the records made at or after `since` (milliseconds since
    /// 1970, of this machine's clock).
    pub(super) async fn find(
        &self,
        partition: Partition,
        wanted: HashSet<Receipt>,
        since: i64,
    ) -> Result<HashSet<Receipt>, StreamError> {
        if self.closing.is_cancelled() {
            return Err(StreamError::Closed);
        }
        let (options, closing) = (self.options.clone(), self.closing.clone());
        let looking = move || receipts::find(&options, partition.cast_signed(), &wanted, since, &closing);
        tokio::task::spawn_blocking(looking).await.map_err(unavailable)?
    }

    /// As [`Stream::close`], within a bound of the caller's.
    pub(super) async fn close_within(&self, patience: Duration) {
        let deadline = tokio::time::Instant::now() + patience;
        self.closing.cancel();
        let groups = std::mem::take(&mut *lock(&self.groups));
        let _ = tokio::time::timeout_at(deadline, futures::future::join_all(groups)).await;
        // A moment also when the groups took all the time: what is done is then told as done.
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        self.producer.flush(left.max(LAST_FLUSH)).await;
    }

    /// From now on nothing is sent of what is under way, also by a client that somebody still keeps.
    pub(super) fn abandon(&self) {
        self.producer.abandon();
    }

    /// Asks the brokers on a thread where that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Telemetry>, &Topic) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, StreamError> {
        if self.closing.is_cancelled() {
            return Err(StreamError::Closed);
        }
        let asker = Arc::clone(&self.asker);
        let topic = Topic::of(&self.options);
        let answer = tokio::task::spawn_blocking(move || {
            // This consumer is never polled otherwise, and its log lines would pile up.
            while asker.poll(Duration::ZERO).is_some() {}
            question(&asker, &topic)
        });
        answer.await.map_err(unavailable)?.map_err(unavailable)
    }
}

/// Returns the number of partitions.
async fn ensure_topic(
    asker: &Arc<OffThread<BaseConsumer<Telemetry>>>,
    options: &KafkaOptions,
) -> Result<u32, OpenError> {
    if let Some(partitions) = count_partitions(asker, options).await? {
        return Ok(partitions);
    }
    let admin: AdminClient<Telemetry> =
        options.base().create_with_context(Telemetry).map_err(OpenError::Config)?;
    let partitions = i32::try_from(options.partitions).unwrap_or(i32::MAX);
    let topic = NewTopic::new(&options.topic, partitions, TopicReplication::Fixed(options.replication));
    let patience = AdminOptions::new()
        .request_timeout(Some(options.request_timeout))
        .operation_timeout(Some(options.request_timeout));
    let made = admin.create_topics([&topic], &patience).await;
    // Another process may have made it in the same moment, and some brokers make topics when asked about them:
    // what counts is whether it is there afterwards.
    match made.as_deref() {
        Ok([Ok(_)]) => tracing::info!(topic = options.topic, partitions, "The topic was made."),
        Ok(results) => tracing::warn!(topic = options.topic, ?results, "The topic was not made."),
        Err(error) => tracing::warn!(topic = options.topic, %error, "The topic was not made."),
    }
    // Dropping it joins its thread.
    drop(OffThread::new(admin));
    let deadline = tokio::time::Instant::now() + options.request_timeout;
    loop {
        if let Some(partitions) = count_partitions(asker, options).await? {
            return Ok(partitions);
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(OpenError::NoTopic(options.topic.clone()));
        }
        tokio::time::sleep(TOPIC_POLL).await;
    }
}

async fn count_partitions(
    asker: &Arc<OffThread<BaseConsumer<Telemetry>>>,
    options: &KafkaOptions,
) -> Result<Option<u32>, OpenError> {
    let asker = Arc::clone(asker);
    let (name, timeout) = (options.topic.clone(), options.request_timeout);
    let count = tokio::task::spawn_blocking(move || {
        let metadata = asker.fetch_metadata(Some(&name), timeout)?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        Ok(topic.filter(|topic| topic.error().is_none()).map(|topic| topic.partitions().len() as u32))
    });
    let count = count.await.unwrap_or(Err(KafkaError::Canceled)).map_err(OpenError::Unreachable)?;
    Ok(count.filter(|count| *count > 0))
}

#[async_trait]
impl Stream for Kafka {
    fn id(&self) -> &str {
        &self.id
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    async fn append(&self, records: Vec<Record>) -> Vec<Result<Offset, StreamError>> {
        if self.closing.is_cancelled() {
            return records.iter().map(|_| Err(StreamError::Closed)).collect();
        }
        self.producer.append(&records).await
    }

    async fn end(&self, partition: Partition) -> Result<Offset, StreamError> {
        let watermarks = move |asker: &BaseConsumer<Telemetry>, topic: &Topic| {
            asker.fetch_watermarks(&topic.name, partition.cast_signed(), topic.timeout)
        };
        self.ask(watermarks).await.map(|(_, high)| offset_of(high))
    }

    async fn committed(&self, partition: Partition) -> Result<Offset, StreamError> {
        let positions =
            self.ask(move |asker, topic| topic.positions(asker, &[partition.cast_signed()])).await?;
        positions
            .first()
            .map(|(_, position)| position.next)
            .ok_or_else(|| StreamError::Unavailable("the group coordinator gave no answer".into()))
    }

    fn leases(&self, stop: CancellationToken) -> Result<Leases, StreamError> {
        if self.closing.is_cancelled() {
            return Err(StreamError::Closed);
        }
        let (left, gone) = oneshot::channel();
        let leases = Group::join(&self.options, self.partitions, &stop, &self.closing, left)?;
        let mut groups = lock(&self.groups);
        groups.retain_mut(|gone| gone.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        groups.push(gone);
        Ok(leases)
    }

    async fn close(&self) {
        self.closing.cancel();
        let groups = std::mem::take(&mut *lock(&self.groups));
        // Leases that are never dropped keep a group's thread; what matters was done by then.
        let patience = self.options.revoke_wait + self.options.request_timeout;
        let _ = tokio::time::timeout(patience, futures::future::join_all(groups)).await;
        self.producer.flush(self.options.message_timeout).await;
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
