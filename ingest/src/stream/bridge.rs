//! Kafka for those who append, and a journal of their own that takes over while the brokers are away.
//!
//! A record goes to Kafka and is answered by the delivery report. When that does not come in time, the record is
//! written to the journal and answered when it is on disk; what comes after it goes behind it. A drain brings the journal
//! to Kafka, in order, as soon as brokers answer, and then records go to Kafka again.
//!
//! The producer is never asked to give a record up: when the brokers are back it delivers what it had, the drain hears
//! so, and does not send it again. Only when nobody can know any more (the process died, the producer had a fatal error)
//! is a record looked up in its partition, by the receipt that every record of a bridge carries.
//!
//! Loaders read Kafka alone: [`Stream::leases`] and offsets are Kafka's. While the journal holds anything,
//! [`Stream::end`] is not known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::envelope::Session;
use self::lane::Lane;
use self::link::Link;
use super::journal::{self, Journal, JournalOptions};
use super::kafka::{self, Kafka, KafkaOptions};
use super::{Leases, Offset, Partition, Record, Stream, StreamError};

mod drain;
mod envelope;
mod lane;
mod link;

/// How a bridge behaves.
#[derive(Debug, Clone)]
pub struct BridgeOptions {
    /// Where Kafka is. Its `message_timeout` is not used: the producer of a bridge gives nothing up.
    pub kafka: KafkaOptions,
    /// The folder of the bridge's journal; made when it is missing. One process at a time may have it open.
    pub path: PathBuf,
    /// Bytes that the journal may hold; beyond it appends answer [`StreamError::Full`]. 4 GiB: some ten million
    /// events, a night without brokers.
    pub max_bytes: u64,
    /// How long a delivery report may take until the record is journaled. 2 s: longer than any broker that
    /// works takes, shorter than a caller waits.
    pub bridge_after: Duration,
    /// How long an append that a producer has, and that the journal did not take, still waits for the
    /// delivery report. 6 s: after it nobody waits any more.
    pub last_wait: Duration,
    /// How long the brokers have been reachable before unsure records are looked up. 5 s: the last request of a process
    /// that died may still be in a broker's socket, or not yet on the replicas that make it visible.
    pub settle: Duration,
    /// How far before its journaling a record may lie in Kafka by time. 5 minutes: more than clocks differ.
    pub look_back: Duration,
    /// How long [`Stream::close`] gives the brokers for what is under way. 3 s: what is not delivered by then is in the journal.
    pub close_wait: Duration,
}

impl BridgeOptions {
    /// The documented defaults for a cluster and a folder.
    pub fn new(kafka: KafkaOptions, path: impl Into<PathBuf>) -> Self {
        Self {
            // A stop waits for a question under way.
            kafka: KafkaOptions { request_timeout: Duration::from_secs(5), ..kafka },
            path: path.into(),
            max_bytes: 4 << 30,
            bridge_after: Duration::from_secs(2),
            last_wait: Duration::from_secs(6),
            settle: Duration::from_secs(5),
            look_back: Duration::from_mins(5),
            close_wait: Duration::from_secs(3),
        }
    }
}

/// Why a bridge could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The journal could not be opened.
    #[error("the bridge's journal could not be opened")]
    Journal(#[from] journal::OpenError),
    /// Kafka's settings are wrong.
    #[error("Kafka could not be opened")]
    Kafka(#[from] kafka::OpenError),
    /// The machine gives no random numbers, or no threads.
    #[error("the bridge could not be started")]
    Machine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No broker answered until the stop, and without a journal the number of partitions is not known.
    #[error("no Kafka broker answered before the stop")]
    Stopped,
}

/// The stream on Kafka, with a journal under it. Dropping it is as good as the end of the process: nothing that
/// was answered is lost.
pub struct Bridge {
    id: String,
    core: Arc<Core>,
    /// Appends under way; they go on when their callers go away.
    appends: TaskTracker,
    tasks: Mutex<JoinSet<()>>,
}

/// What the parts of a bridge share.
struct Core {
    options: BridgeOptions,
    journal: Arc<Journal>,
    link: Arc<Link>,
    lanes: Vec<Lane>,
    session: Session,
    /// Whether the operator was told that records go to the journal.
    bridging: AtomicBool,
    stop: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    fn lane(&self, partition: Partition) -> Result<&Lane, StreamError> {
        let missing = || StreamError::Unavailable(format!("there is no partition {partition}").into());
        self.lanes.get(partition as usize).ok_or_else(missing)
    }

    fn is_bridging(&self) {
        if !self.bridging.swap(true, Ordering::AcqRel) {
            tracing::warn!("Kafka does not take events in time; they go to the bridge's journal.");
        }
    }

    fn is_drained(&self) {
        let is_empty = self.journal.stored_records() == Some(0);
        if is_empty && self.bridging.swap(false, Ordering::AcqRel) {
            tracing::info!("The bridge's journal is empty; events go to Kafka again.");
        }
    }
}

impl Bridge {
    /// Opens the bridge. With a journal of an earlier life this needs no broker. Without one it waits for the brokers
    /// until `stop`: how many partitions there are must be known before the first record.
    pub async fn open(mut options: BridgeOptions, stop: &CancellationToken) -> Result<Arc<Self>, OpenError> {
        options.kafka.message_timeout = Duration::ZERO;
        let mut journal = JournalOptions {
            max_bytes: options.max_bytes,
            max_record_bytes: options.kafka.max_record_bytes + envelope::OVERHEAD,
            ..JournalOptions::new(&options.path, options.kafka.partitions)
        };
        let existing = journal.clone();
        let existing = tokio::task::spawn_blocking(move || Journal::open_existing(existing)).await;
        let (journal, kafka) = if let Some(existing) = existing.map_err(machine)?? {
            (existing, None)
        } else {
            let kafka = Kafka::open_patiently(&options.kafka, stop).await?.ok_or(OpenError::Stopped)?;
            journal.partitions = kafka.partitions();
            let made = tokio::task::spawn_blocking(move || Journal::open(journal)).await;
            (made.map_err(machine)??, Some(kafka))
        };
        options.kafka.partitions = journal.partitions();
        let bridge = Self::start(options, journal, kafka)?;
        // So that a start with brokers does not begin in the journal.
        let _ = tokio::time::timeout(bridge.core.options.bridge_after, bridge.core.link.connected()).await;
        Ok(bridge)
    }

    fn start(
        options: BridgeOptions,
        journal: Arc<Journal>,
        kafka: Option<Arc<Kafka>>,
    ) -> Result<Arc<Self>, OpenError> {
        let stop = CancellationToken::new();
        let leases = journal.leases(stop.clone()).map_err(machine)?;
        let backlog = journal.stored_records().unwrap_or(0);
        if backlog > 0 {
            tracing::info!(records = backlog, "The bridge's journal holds events of an earlier life.");
        }
        let is_connected = kafka.is_some();
        let core = Arc::new(Core {
            lanes: (0..journal.partitions()).map(Lane::new).collect(),
            session: Session::new().map_err(machine)?,
            link: Arc::new(Link::new(kafka)),
            bridging: AtomicBool::new(backlog > 0),
            journal,
            options,
            stop,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(drain::run(Arc::clone(&core), leases));
        if !is_connected {
            let core = Arc::clone(&core);
            tasks.spawn(async move { core.link.connect(&core.options.kafka, &core.stop).await });
        }
        Ok(Arc::new(Self {
            id: format!("kafka-{}", core.options.kafka.topic),
            core,
            appends: TaskTracker::new(),
            tasks: Mutex::new(tasks),
        }))
    }

    /// Refuses at the door what neither Kafka nor the journal could ever store.
    fn admit(&self, record: &Record) -> Result<(), StreamError> {
        if record.payload.len() > self.core.options.kafka.max_record_bytes {
            return Err(StreamError::TooLarge);
        }
        self.core.lane(record.partition).map(drop)
    }

    fn open_for_questions(&self) -> Result<Arc<Kafka>, StreamError> {
        if self.appends.is_closed() {
            return Err(StreamError::Closed);
        }
        self.core.link.required()
    }
}

fn machine(error: impl std::error::Error + Send + Sync + 'static) -> OpenError {
    OpenError::Machine(Box::new(error))
}

#[async_trait]
impl Stream for Bridge {
    fn id(&self) -> &str {
        &self.id
    }

    fn partitions(&self) -> u32 {
        self.core.journal.partitions()
    }

    async fn append(&self, records: Vec<Record>) -> Vec<Result<Offset, StreamError>> {
        if self.appends.is_closed() {
            return records.iter().map(|_| Err(StreamError::Closed)).collect();
        }
        let mut answers: Vec<Option<Result<Offset, StreamError>>> = Vec::with_capacity(records.len());
        let mut calls: BTreeMap<Partition, (Vec<usize>, Vec<Bytes>)> = BTreeMap::new();
        for (at, record) in records.into_iter().enumerate() {
            let verdict = self.admit(&record);
            if verdict.is_ok() {
                let (places, payloads) = calls.entry(record.partition).or_default();
                places.push(at);
                payloads.push(record.payload);
            }
            answers.push(verdict.err().map(Err));
        }
        let mut finishing = Vec::with_capacity(calls.len());
        for (partition, (places, payloads)) in calls {
            let Ok(lane) = self.core.lane(partition) else { continue };
            lane.enter().await;
            let begun = lane.begin(&self.core, payloads);
            let core = Arc::clone(&self.core);
            let finish = async move {
                match core.lane(partition) {
                    Ok(lane) => lane.finish(&core, begun).await,
                    Err(_) => Vec::new(),
                }
            };
            finishing.push((places, self.appends.spawn(finish)));
        }
        for (places, finished) in finishing {
            for (at, answer) in places.into_iter().zip(finished.await.unwrap_or_default()) {
                answers[at] = Some(answer);
            }
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(StreamError::Closed))).collect()
    }

    async fn end(&self, partition: Partition) -> Result<Offset, StreamError> {
        let kafka = self.open_for_questions()?;
        // First this, then Kafka: whatever was answered before is then either waited for or before Kafka's end.
        if self.core.journal.backlog(partition) > 0 {
            return Err(StreamError::Unavailable("events wait in the bridge's journal".into()));
        }
        kafka.end(partition).await
    }

    async fn committed(&self, partition: Partition) -> Result<Offset, StreamError> {
        self.open_for_questions()?.committed(partition).await
    }

    fn leases(&self, stop: CancellationToken) -> Result<Leases, StreamError> {
        if self.appends.is_closed() {
            return Err(StreamError::Closed);
        }
        self.core.link.leases(self.partitions(), stop, &self.core.stop)
    }

    fn stored_bytes(&self) -> Option<u64> {
        self.core.journal.stored_bytes()
    }

    fn stored_records(&self) -> Option<u64> {
        self.core.journal.stored_records()
    }

    async fn is_ready(&self) -> bool {
        self.core.journal.has_room() || self.end(0).await.is_ok()
    }

    async fn close(&self) {
        let core = &self.core;
        self.appends.close();
        // Every append ends by itself: in Kafka, in the journal, or refused.
        let patience = core.options.bridge_after + core.options.close_wait;
        if tokio::time::timeout(patience, self.appends.wait()).await.is_err() {
            tracing::warn!("The bridge closes with appends under way; they are answered as not stored.");
        }
        core.stop.cancel();
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.join_all().await;
        if let Some(kafka) = core.link.kafka() {
            kafka.close_within(core.options.close_wait).await;
            // The next owner of the journal looks up what has landed: nothing may land behind its back.
            kafka.abandon();
        }
        core.journal.close().await;
        let left = core.journal.stored_records().unwrap_or(0);
        if left > 0 {
            tracing::warn!(
                records = left,
                "The bridge was closed with events in its journal; the next start sends them."
            );
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.core.stop.cancel();
        // While the journal is still ours: its next owner looks up what has landed, and what lands later would be twice in Kafka.
        if let Some(kafka) = self.core.link.kafka() {
            kafka.abandon();
        }
    }
}
