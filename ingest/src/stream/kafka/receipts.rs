//! Receipts: the numbers that travel beside records, and by which a record is found again in its partition.
//!
//! A sender that died, or whose producer gave up, does not know whether its last records landed. Their receipts tell:
//! they lie in a header of each record, which loaders do not look at and nobody stores.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset as KafkaOffset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::client::{OffThread, Telemetry};
use super::{KafkaOptions, unavailable};
use crate::stream::StreamError;

/// The header that carries it.
pub(super) const HEADER: &str = "footfall-receipt";

/// A record's number: 128 random bits of the sender's session, and a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::stream) struct Receipt([u8; 24]);

impl Receipt {
    pub(in crate::stream) fn new(session: [u8; 16], number: u64) -> Self {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&session);
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        Self(bytes)
    }

    pub(in crate::stream) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(in crate::stream) fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// A question to the brokers. Short, because the end of the process waits for the thread that asks.
const QUESTION: Duration = Duration::from_secs(2);
/// How soon a stop is noticed.
const TICK: Duration = Duration::from_millis(100);
/// How long the brokers may give nothing before the look-up is given up, to be tried again.
const STALL: Duration = Duration::from_secs(10);

/// Reads a partition from the records of `since` on, and says which of these receipts are in it. Blocks.
pub(super) fn find(
    options: &KafkaOptions,
    partition: i32,
    wanted: &HashSet<Receipt>,
    since: i64,
    closing: &CancellationToken,
) -> Result<HashSet<Receipt>, StreamError> {
    let tail = Tail::open(options, partition, closing).map_err(unavailable)?;
    let mut found = HashSet::new();
    let Some(start) = tail.start(since)? else { return Ok(found) };
    let mut read = 0_u64;
    tail.each(start, |message| {
        read += 1;
        if let Some(receipt) = receipt_of(message)
            && wanted.contains(&receipt)
        {
            found.insert(receipt);
        }
        found.len() < wanted.len()
    })?;
    tracing::info!(
        partition,
        unsure = wanted.len(),
        landed = found.len(),
        read,
        "Records whose fate was not known were looked up in Kafka."
    );
    Ok(found)
}

fn receipt_of(message: &BorrowedMessage<'_>) -> Option<Receipt> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == HEADER)?;
    Receipt::parse(header.value?)
}

/// The records of a partition up to its end at the moment of opening.
struct Tail<'a> {
    consumer: OffThread<BaseConsumer<Telemetry>>,
    topic: &'a str,
    partition: i32,
    low: i64,
    high: i64,
    closing: &'a CancellationToken,
}

impl<'a> Tail<'a> {
    fn open(options: &'a KafkaOptions, partition: i32, closing: &'a CancellationToken) -> KafkaResult<Self> {
        let mut config = options.base();
        config
            // Never joined: without a name nothing can be assigned.
            .set("group.id", &options.group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50");
        let consumer = OffThread::new(BaseConsumer::from_config_and_context(&config, Telemetry)?);
        let (low, high) = consumer.fetch_watermarks(&options.topic, partition, QUESTION)?;
        Ok(Self { consumer, topic: &options.topic, partition, low, high, closing })
    }

    /// Where the records of `since` on begin; nothing when there are none.
    fn start(&self, since: i64) -> Result<Option<i64>, StreamError> {
        if self.high <= self.low {
            return Ok(None);
        }
        let answer = self.offset_for(since).map_err(unavailable)?;
        if let KafkaOffset::Offset(start) = answer {
            return Ok(Some(start));
        }
        // "None is as young", or an answer of somebody who does not look at times: the last record tells which.
        let mut is_young = true;
        self.each(self.high - 1, |last| {
            is_young = last.timestamp().to_millis().is_none_or(|made| made >= since);
            false
        })?;
        Ok(is_young.then_some(self.low))
    }

    fn offset_for(&self, since: i64) -> KafkaResult<KafkaOffset> {
        let mut asked = TopicPartitionList::with_capacity(1);
        asked.add_partition_offset(self.topic, self.partition, KafkaOffset::Offset(since))?;
        // The list must not outlive this function: it would keep the consumer from being dropped.
        let answer = self.consumer.offsets_for_times(asked, QUESTION)?;
        let elements = answer.elements();
        let element = elements.first().ok_or(KafkaError::Canceled)?;
        element.error()?;
        Ok(element.offset())
    }

    /// Hands over every record from `start` on until one is answered with false.
    fn each(
        &self,
        start: i64,
        mut take: impl FnMut(&BorrowedMessage<'_>) -> bool,
    ) -> Result<(), StreamError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(self.topic, self.partition, KafkaOffset::Offset(start))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(unavailable)?;
        drop(list);
        let mut moved = Instant::now();
        loop {
            if self.closing.is_cancelled() {
                return Err(StreamError::Closed);
            }
            match self.consumer.poll(TICK) {
                None if moved.elapsed() > STALL => {
                    return Err(StreamError::Unavailable("the brokers give no records".into()));
                }
                None => {}
                Some(Ok(message)) if message.offset() < start => {}
                Some(Ok(message)) => {
                    moved = Instant::now();
                    if message.offset() >= self.high || !take(&message) || message.offset() + 1 >= self.high {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => return Err(unavailable(error)),
            }
        }
    }
}
