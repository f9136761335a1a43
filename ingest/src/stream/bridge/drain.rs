//! What lies in the journal goes to Kafka: one partition, in order, each record once.
//!
//! A batch is planned before the first of its records is sent and committed when Kafka has all of them. Whatever may have
//! been sent before, by a producer that never said what became of it or by a drain of an earlier life, is *unsure*: its
//! receipt is looked up in the partition, and it is sent only when it is not there.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinSet;

use super::Core;
use super::envelope::Envelope;
use super::lane::Lane;
use crate::stream::backoff::Backoff;
use crate::stream::kafka::{Fate, Kafka, Receipt};
use crate::stream::{Lease, Offset, Partition, ReadLimits, Stored, StreamError};

/// A batch: one look-up and one plan for many records, and far less than the producer's queue takes.
const BATCH: ReadLimits =
    ReadLimits { records: 10_000, bytes: 4 << 20, linger: Duration::ZERO, before: None };

/// Pauses while the brokers are away: at first short, as they may be back at once, then easy on them.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Pause before a partition is begun again after the journal failed.
const BEGIN_AGAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Error)]
enum DrainError {
    #[error("the journal failed")]
    Journal(#[from] StreamError),
    #[error("record {0} is no envelope of this version")]
    NotAnEnvelope(Offset),
}

/// Drains every partition until the core's stop.
pub(super) async fn run(core: Arc<Core>, mut leases: crate::stream::Leases) {
    let mut drains = JoinSet::new();
    loop {
        let lease = tokio::select! {
            lease = leases.recv() => lease,
            _ = drains.join_next(), if !drains.is_empty() => continue,
            () = core.stop.cancelled() => None,
        };
        let Some(lease) = lease else { break };
        let core = Arc::clone(&core);
        drains.spawn(async move {
            let stop = core.stop.clone();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = drain(&core, lease) => {}
            }
        });
    }
    // Those that wait are told by the stop.
    drains.join_all().await;
}

/// Ends after a failure; the lease is then offered again.
async fn drain(core: &Core, lease: Box<dyn Lease>) {
    let partition = lease.partition();
    let Ok(lane) = core.lane(partition) else { return };
    let mut drain = Drain { way: Way { core, lane, partition }, lease };
    if let Err(error) = drain.run().await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            partition,
            "The bridge cannot be drained; it is tried again."
        );
        tokio::time::sleep(BEGIN_AGAIN).await;
    }
}

struct Drain<'a> {
    way: Way<'a>,
    lease: Box<dyn Lease>,
}

impl Drain<'_> {
    async fn run(&mut self) -> Result<(), DrainError> {
        if let Some(end) = self.lease.position().plan {
            let mut planned = Vec::new();
            loop {
                let more = self.lease.read(ReadLimits { before: Some(end), ..BATCH }).await?;
                if more.is_empty() {
                    break;
                }
                planned.extend(more);
            }
            self.bring(planned, true).await?;
        }
        loop {
            let batch = self.lease.read(BATCH).await?;
            self.bring(batch, false).await?;
        }
    }

    /// Brings one batch to Kafka. `planned`: an earlier life may have sent any of it.
    async fn bring(&mut self, batch: Vec<Stored>, planned: bool) -> Result<(), DrainError> {
        let Some(last) = batch.last() else { return Ok(()) };
        let end = last.offset + 1;
        let envelopes = batch
            .into_iter()
            .map(|stored| Envelope::parse(stored.payload).ok_or(DrainError::NotAnEnvelope(stored.offset)))
            .collect::<Result<Vec<_>, _>>()?;
        let receipts: Vec<Receipt> = envelopes.iter().map(|envelope| envelope.receipt).collect();
        let way = self.way;
        let kafka = way.core.link.connected().await?;
        let (mut left, mut unsure) = way.sort(envelopes, planned).await;

        let mut planned = planned;
        let mut backoff = Backoff::new(AGAIN);
        while !left.is_empty() {
            let ready = if unsure.is_empty() {
                // Without brokers it is not sent, so that it does not become unsure for nothing.
                kafka.reach(way.partition).await
            } else {
                way.look_up(&kafka, &mut left, &mut unsure).await
            };
            if let Err(error) = ready {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    partition = way.partition,
                    "The bridge waits for Kafka."
                );
                tokio::time::sleep(backoff.next()).await;
                continue;
            }
            if !planned {
                self.lease.plan(end).await?;
                planned = true;
            }
            unsure = way.send(&kafka, &mut left, receipts.len()).await;
            if !left.is_empty() {
                way.lane.hand_back();
                tokio::time::sleep(backoff.next()).await;
            }
        }
        self.lease.commit(end).await?;
        way.lane.forget(receipts.iter());
        way.core.is_drained();
        Ok(())
    }
}

/// The way of a partition's records to Kafka.
#[derive(Clone, Copy)]
struct Way<'a> {
    core: &'a Core,
    lane: &'a Lane,
    partition: Partition,
}

impl Way<'_> {
    /// What is to be brought, and which of it is unsure. What our own producer still has is waited for.
    async fn sort(self, envelopes: Vec<Envelope>, planned: bool) -> (Vec<Envelope>, HashSet<Receipt>) {
        let mut left = Vec::with_capacity(envelopes.len());
        let mut unsure = HashSet::new();
        for envelope in envelopes {
            match self.lane.original(&envelope.receipt) {
                Some(delivery) => {
                    if let Fate::Delivered(_) = delivery.await {
                        continue;
                    }
                    unsure.insert(envelope.receipt);
                }
                None if planned || envelope.tried => drop(unsure.insert(envelope.receipt)),
                None => {}
            }
            left.push(envelope);
        }
        (left, unsure)
    }

    /// Takes out of `left` what is in Kafka, so that nothing is unsure any more.
    async fn look_up(
        self,
        kafka: &Kafka,
        left: &mut Vec<Envelope>,
        unsure: &mut HashSet<Receipt>,
    ) -> Result<(), StreamError> {
        kafka.reach(self.partition).await?;
        tokio::time::sleep(self.core.options.settle).await;
        let doubted = left.iter().filter(|envelope| unsure.contains(&envelope.receipt));
        let Some(first) = doubted.map(|envelope| envelope.journaled_at_ms).min() else {
            unsure.clear();
            return Ok(());
        };
        let since = first.saturating_sub(self.core.options.look_back.as_millis() as i64);
        let landed = kafka.find(self.partition, unsure.clone(), since).await?;
        left.retain(|envelope| !landed.contains(&envelope.receipt));
        unsure.clear();
        Ok(())
    }

    /// Sends what is left of a batch of `count`, in order, and takes out what was delivered. Says what is unsure now.
    async fn send(self, kafka: &Kafka, left: &mut Vec<Envelope>, count: usize) -> HashSet<Receipt> {
        let mut deliveries = Vec::with_capacity(left.len());
        self.lane.hand_over(self.core, count, || {
            let mut behind = None;
            for envelope in left.iter() {
                // What is not sent now comes later: nothing may overtake it.
                let sent = kafka.send(self.partition, &envelope.payload, &envelope.receipt, behind).ok()?;
                deliveries.push((envelope.receipt, sent.0));
                behind = Some(sent.1);
            }
            behind
        });
        let mut delivered = HashSet::with_capacity(deliveries.len());
        let mut unsure = HashSet::new();
        for (receipt, delivery) in deliveries {
            match delivery.await {
                Fate::Delivered(_) => drop(delivered.insert(receipt)),
                Fate::Unsure => drop(unsure.insert(receipt)),
                Fate::TooLarge => {
                    tracing::error!(
                        partition = self.partition,
                        "Kafka refuses a record of the bridge as too large. It was accepted, so the partition waits \
                         until the topic's max.message.bytes is raised."
                    );
                    unsure.insert(receipt);
                }
            }
        }
        left.retain(|envelope| !delivered.contains(&envelope.receipt));
        unsure
    }
}
