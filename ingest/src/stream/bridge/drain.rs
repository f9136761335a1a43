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
use super::lane::{Gate, Lane};
use crate::stream::backoff::Backoff;
use crate::stream::kafka::{Delivery, Fate, Kafka, Receipt};
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
    let mut drain = Drain { way: Way { core, lane, partition }, lease, carried: Vec::new() };
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
    /// Read already, for the next batch.
    carried: Vec<Stored>,
}

impl<'a> Drain<'a> {
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
            let batch = match std::mem::take(&mut self.carried) {
                carried if carried.is_empty() => self.lease.read(BATCH).await?,
                carried => carried,
            };
            self.bring(batch, false).await?;
        }
    }

    /// Brings one batch to Kafka. `planned`: an earlier life may have sent any of it.
    async fn bring(&mut self, stored: Vec<Stored>, mut planned: bool) -> Result<(), DrainError> {
        let Some(mut batch) = Batch::of(&stored)? else { return Ok(()) };
        let way = self.way;
        let kafka = way.core.link.connected().await?;
        let mut unsure = way.sort(&mut batch, planned).await;
        let mut backoff = Backoff::new(AGAIN);
        while !batch.left.is_empty() {
            let ready = if unsure.is_empty() {
                // Without brokers it is not sent, so that it does not become unsure for nothing.
                kafka.reach(way.partition).await
            } else {
                way.look_up(&kafka, &mut batch, &mut unsure).await
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
            let deliveries = if planned {
                way.queue(&kafka, &batch)
            } else {
                let _gate = self.come_to_the_end(&mut batch).await?;
                self.lease.plan(batch.end).await?;
                planned = true;
                way.queue(&kafka, &batch)
            };
            unsure = way.settle(&mut batch, deliveries).await;
            if !batch.left.is_empty() {
                way.lane.hand_back();
                tokio::time::sleep(backoff.next()).await;
            }
        }
        self.lease.commit(batch.end).await?;
        way.lane.forget(batch.receipts.iter());
        way.core.is_drained();
        Ok(())
    }

    /// When not much lies behind the batch, shuts the lane for a moment and takes that along, so that the journal has
    /// an end that the drain can come to under any traffic.
    async fn come_to_the_end(&mut self, batch: &mut Batch) -> Result<Option<Gate<'a>>, DrainError> {
        let way = self.way;
        let count = batch.receipts.len() as u64;
        let behind = || way.core.journal.backlog(way.partition).saturating_sub(count);
        if behind() > BATCH.records as u64 {
            return Ok(None);
        }
        let gate = way.lane.shut().await;
        if behind() > 0 {
            let stored = self.lease.read(BATCH).await?;
            match Batch::of(&stored)? {
                // What a producer may still have must be waited for, and not at a shut gate.
                Some(more) if more.left.iter().any(|envelope| envelope.tried) => self.carried = stored,
                Some(more) => batch.extend(more),
                None => {}
            }
        }
        Ok(Some(gate))
    }
}

/// Records of the journal, the oldest of their partition.
struct Batch {
    /// Just behind the last of them.
    end: Offset,
    /// Of all of them.
    receipts: Vec<Receipt>,
    /// What is not in Kafka yet, in order.
    left: Vec<Envelope>,
}

impl Batch {
    fn of(stored: &[Stored]) -> Result<Option<Self>, DrainError> {
        let Some(last) = stored.last() else { return Ok(None) };
        let parse = |stored: &Stored| {
            Envelope::parse(stored.payload.clone()).ok_or(DrainError::NotAnEnvelope(stored.offset))
        };
        let left = stored.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let receipts = left.iter().map(|envelope| envelope.receipt).collect();
        Ok(Some(Self { end: last.offset + 1, receipts, left }))
    }

    fn extend(&mut self, more: Self) {
        self.end = more.end;
        self.receipts.extend(more.receipts);
        self.left.extend(more.left);
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
    /// Takes out what our own producer has delivered, for which it waits, and says which of the rest is unsure.
    async fn sort(self, batch: &mut Batch, planned: bool) -> HashSet<Receipt> {
        let envelopes = std::mem::take(&mut batch.left);
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
            batch.left.push(envelope);
        }
        unsure
    }

    /// Takes out what is in Kafka, so that nothing is unsure any more.
    async fn look_up(
        self,
        kafka: &Kafka,
        batch: &mut Batch,
        unsure: &mut HashSet<Receipt>,
    ) -> Result<(), StreamError> {
        kafka.reach(self.partition).await?;
        tokio::time::sleep(self.core.options.settle).await;
        let doubted = batch.left.iter().filter(|envelope| unsure.contains(&envelope.receipt));
        let first = doubted.map(|envelope| envelope.journaled_at_ms).min().unwrap_or(i64::MAX);
        let since = first.saturating_sub(self.core.options.look_back.as_millis() as i64);
        let landed = kafka.find(self.partition, unsure.clone(), since).await?;
        batch.left.retain(|envelope| !landed.contains(&envelope.receipt));
        unsure.clear();
        Ok(())
    }

    /// Puts what is left into the producer's queue, in order.
    fn queue(self, kafka: &Kafka, batch: &Batch) -> Vec<(Receipt, Delivery)> {
        let mut deliveries = Vec::with_capacity(batch.left.len());
        self.lane.hand_over(self.core, batch.receipts.len(), || {
            let mut behind = None;
            for envelope in &batch.left {
                // What is not sent now comes later: nothing may overtake it.
                let sent = kafka.send(self.partition, &envelope.payload, &envelope.receipt, behind).ok()?;
                deliveries.push((envelope.receipt, sent.0));
                behind = Some(sent.1);
            }
            behind
        });
        deliveries
    }

    /// Waits, and takes out what was delivered. Says what is unsure now.
    async fn settle(self, batch: &mut Batch, deliveries: Vec<(Receipt, Delivery)>) -> HashSet<Receipt> {
        let mut delivered = HashSet::with_capacity(deliveries.len());
        let mut unsure = HashSet::new();
        for (receipt, delivery) in deliveries {
            match delivery.await {
                Fate::Delivered(_) => drop(delivered.insert(receipt)),
                Fate::Unsure => drop(unsure.insert(receipt)),
                Fate::TooLarge => {
                    tracing::error!(
                        partition = self.partition,
                        "Kafka refuses a record of the bridge as too large. It was accepted, so the partition \
                         waits until the topic's max.message.bytes is raised."
                    );
                    unsure.insert(receipt);
                }
            }
        }
        batch.left.retain(|envelope| !delivered.contains(&envelope.receipt));
        unsure
    }
}
