//! One member of the consumer group: the thread that polls it, gives out leases and takes them back.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Message, Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::lease::{KafkaLease, Loan, Tenure};
use super::offsets::Topic;
use super::{KafkaOptions, client, lock, unavailable};
use crate::stream::{Lease, Leases, Position, StreamError};

/// How soon the thread notices a stop, a returned lease, or that it should try again.
const TICK: Duration = Duration::from_millis(100);
/// Between two attempts to learn where a partition's loading goes on.
const RETRY: Duration = Duration::from_secs(1);
/// How long leaving the group may take when leases are still out.
const LEAVE: Duration = Duration::from_secs(5);

/// What the group's coordinator decided.
enum Rebalance {
    Assign(Vec<i32>),
    /// `lost` when it happened behind our back, and others may have the partitions already.
    Revoke {
        partitions: Vec<i32>,
        lost: bool,
    },
}

/// Collects the rebalances. They are answered by the thread after its poll, where the consumer's
/// queues can be split.
pub(super) struct Membership {
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Set when nobody answers any more.
    closing: AtomicBool,
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::report(&error, reason);
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        // Numbers only: a list that lives longer than the consumer would keep it from being dropped.
        let partitions: Vec<i32> = list.elements().iter().map(rdkafka_partition).collect();
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let answered = if assigned { consumer.unassign() } else { consumer.incremental_unassign(list) };
            if let Err(error) = answered {
                tracing::warn!(%error, "A partition could not be given back while leaving the group.");
            }
            return;
        }
        lock(&self.rebalances).push_back(if assigned {
            Rebalance::Assign(partitions)
        } else {
            Rebalance::Revoke { partitions, lost: consumer.assignment_lost() }
        });
    }
}

fn rdkafka_partition(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> i32 {
    element.partition()
}

/// A lease that was dropped.
pub(super) struct Returned {
    pub(super) partition: i32,
    /// Its part of the consumer, to be dropped on the group's thread.
    #[expect(dead_code, reason = "it is only carried here to be dropped here")]
    pub(super) loan: Loan,
}

pub(super) struct Group {
    consumer: Arc<BaseConsumer<Membership>>,
    topic: Arc<Topic>,
    offers: mpsc::Sender<Box<dyn Lease>>,
    stop: CancellationToken,
    revoke_wait: Duration,
    back: Sender<Returned>,
    returned: Receiver<Returned>,
    /// What the group gave to this member.
    assigned: BTreeSet<i32>,
    /// Leases that exist, also those that were revoked and are not dropped yet.
    held: HashMap<i32, Arc<Tenure>>,
    /// After a failure, not before this.
    retry_at: Option<Instant>,
}

impl Group {
    /// Starts a member. `left` is dropped when it has left the group.
    pub(super) fn join(
        options: &KafkaOptions,
        partitions: u32,
        stop: &CancellationToken,
        closing: &CancellationToken,
        left: oneshot::Sender<()>,
    ) -> Result<Leases, StreamError> {
        let context = Membership { rebalances: Mutex::new(VecDeque::new()), closing: AtomicBool::new(false) };
        let consumer =
            BaseConsumer::from_config_and_context(&options.member(), context).map_err(unavailable)?;
        let consumer = Arc::new(consumer);
        // One lease per partition exists at a time, so this channel is never full.
        let (offers, leases) = mpsc::channel(partitions.max(1) as usize);
        let (back, returned) = std::sync::mpsc::channel();
        let group = Self {
            consumer,
            topic: Arc::new(Topic::of(options)),
            offers,
            stop: stop.child_token(),
            revoke_wait: options.revoke_wait,
            back,
            returned,
            assigned: BTreeSet::new(),
            held: HashMap::new(),
            retry_at: None,
        };
        let closing = closing.clone();
        std::thread::Builder::new()
            .name("kafka-group".into())
            .spawn(move || {
                group.run(&closing);
                drop(left);
            })
            .map_err(unavailable)?;
        Ok(leases)
    }

    fn run(mut self, closing: &CancellationToken) {
        if let Err(error) = self.consumer.subscribe(&[&self.topic.name]) {
            tracing::error!(%error, "The consumer group could not be joined.");
            return;
        }
        while !(self.stop.is_cancelled() || closing.is_cancelled() || self.offers.is_closed()) {
            self.poll();
            self.take_returned(Duration::ZERO);
            if let Err(error) = self.settle() {
                tracing::warn!(%error, "The committed offsets could not be learned yet.");
                self.retry_at = Some(Instant::now() + RETRY);
            }
        }
        self.leave();
    }

    /// Serves the group. Records come through the partitions' own queues, never through here.
    fn poll(&mut self) {
        match self.consumer.poll(TICK) {
            None => {}
            Some(Err(error)) => tracing::warn!(%error, "The consumer group has an error; it goes on."),
            Some(Ok(message)) => {
                // A record that the lease will miss: whoever has the partition begins again at its commit.
                let partition = message.partition();
                tracing::error!(partition, "A record came past its partition's queue; its lease ends.");
                if let Some(tenure) = self.held.get(&partition) {
                    tenure.end();
                }
            }
        }
    }

    /// Answers the rebalances in order, then offers what is assigned and not leased.
    fn settle(&mut self) -> KafkaResult<()> {
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.retry_at = None;
        loop {
            match self.next_rebalance() {
                None => break,
                Some(Rebalance::Revoke { partitions, lost }) => self.revoke(&partitions, lost),
                Some(Rebalance::Assign(partitions)) => {
                    if let Err(error) = self.assign(&partitions) {
                        lock(&self.consumer.context().rebalances).push_front(Rebalance::Assign(partitions));
                        return Err(error);
                    }
                }
            }
        }
        let free: Vec<i32> =
            self.assigned.iter().copied().filter(|partition| !self.held.contains_key(partition)).collect();
        for (partition, position) in self.topic.positions(&*self.consumer, &free)? {
            let queue = self.split(partition)?;
            let offset = KafkaOffset::Offset(position.next.cast_signed());
            self.consumer.seek(&self.topic.name, partition, offset, self.topic.timeout)?;
            self.offer(partition, position, queue);
        }
        Ok(())
    }

    fn next_rebalance(&self) -> Option<Rebalance> {
        lock(&self.consumer.context().rebalances).pop_front()
    }

    fn assign(&mut self, partitions: &[i32]) -> KafkaResult<()> {
        let positions = self.topic.positions(&*self.consumer, partitions)?;
        let mut list = TopicPartitionList::with_capacity(positions.len());
        let mut queues = Vec::with_capacity(positions.len());
        for &(partition, position) in &positions {
            let offset = KafkaOffset::Offset(position.next.cast_signed());
            list.add_partition_offset(&self.topic.name, partition, offset)?;
            // Before the fetching begins, so that no record goes to the common queue.
            queues.push(self.split(partition)?);
        }
        self.consumer.incremental_assign(&list)?;
        self.assigned.extend(partitions);
        for ((partition, position), queue) in positions.into_iter().zip(queues) {
            // A holder that did not let go reads from the same queue: the next one waits for it.
            if !self.held.contains_key(&partition) {
                self.offer(partition, position, queue);
            }
        }
        tracing::info!(?partitions, "Partitions were assigned to this loader.");
        Ok(())
    }

    fn split(&self, partition: i32) -> KafkaResult<PartitionQueue<Membership>> {
        self.consumer
            .split_partition_queue(&self.topic.name, partition)
            .ok_or_else(|| KafkaError::Subscription(format!("partition {partition} has no queue")))
    }

    fn offer(&mut self, partition: i32, position: Position, mut queue: PartitionQueue<Membership>) {
        let wake = Arc::new(Notify::new());
        queue.set_nonempty_callback({
            let wake = Arc::clone(&wake);
            move || wake.notify_one()
        });
        let tenure = Arc::new(Tenure::new(self.stop.child_token(), position.next));
        self.held.insert(partition, Arc::clone(&tenure));
        let lease = KafkaLease {
            partition: partition.cast_unsigned(),
            position,
            tenure,
            topic: Arc::clone(&self.topic),
            stop: self.stop.clone(),
            loan: Some(Loan { queue, consumer: Arc::clone(&self.consumer) }),
            wake,
            back: self.back.clone(),
            buffer: VecDeque::new(),
            buffered_bytes: 0,
            fetched: position.next,
            marks: 0,
        };
        // When nobody listens any more, the lease is dropped here, and comes back.
        let _ = self.offers.try_send(Box::new(lease));
    }

    fn revoke(&mut self, partitions: &[i32], lost: bool) {
        tracing::info!(?partitions, lost, "Partitions are taken from this loader.");
        for partition in partitions {
            if let Some(tenure) = self.held.get(partition) {
                tenure.revoked.cancel();
            }
        }
        if !lost {
            self.await_returned(partitions);
        }
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions {
            if let Some(tenure) = self.held.get(&partition) {
                tenure.end();
            }
            self.assigned.remove(&partition);
            list.add_partition(&self.topic.name, partition);
        }
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(%error, "Partitions could not be given back.");
        }
    }

    /// Waits for the holders of these partitions, for a bounded time.
    fn await_returned(&mut self, partitions: &[i32]) {
        let deadline = Instant::now() + self.revoke_wait;
        while partitions.iter().any(|partition| self.held.contains_key(partition)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(
                    ?partitions,
                    "A loader did not let go of its partitions in time; it lost them."
                );
                return;
            }
            self.take_returned(left);
        }
    }

    /// Takes back the leases that were dropped; waits for the first one.
    fn take_returned(&mut self, wait: Duration) {
        let mut next = self.returned.recv_timeout(wait).ok();
        while let Some(returned) = next {
            if let Some(tenure) = self.held.remove(&returned.partition) {
                // A commit whose caller went away must not come after the next lease has begun.
                tenure.end();
            }
            drop(returned);
            next = self.returned.try_recv().ok();
        }
    }

    /// Gives holders the time to finish, leaves the group, and drops the consumer.
    fn leave(mut self) {
        self.stop.cancel();
        let held: Vec<i32> = self.held.keys().copied().collect();
        self.await_returned(&held);
        for tenure in self.held.values() {
            tenure.end();
        }
        if !self.held.is_empty() {
            // The consumer lives as long as its leases, but the others need not wait for its session to end.
            self.consumer.unsubscribe();
            let deadline = Instant::now() + LEAVE;
            while !self.assigned.is_empty() && Instant::now() < deadline {
                self.poll();
                while let Some(rebalance) = self.next_rebalance() {
                    if let Rebalance::Revoke { partitions, .. } = rebalance {
                        self.revoke(&partitions, true);
                    }
                }
            }
        }
        // So that the receiver ends, whoever still holds a lease.
        let Self { consumer, returned, offers, back, mut held, .. } = self;
        drop((offers, back));
        consumer.context().closing.store(true, Ordering::Release);
        while !held.is_empty() {
            match returned.recv_timeout(TICK) {
                Ok(last) => drop(held.remove(&last.partition)),
                Err(RecvTimeoutError::Timeout) => drop(consumer.poll(Duration::ZERO)),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        drop(consumer);
    }
}
