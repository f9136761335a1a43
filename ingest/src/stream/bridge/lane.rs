//! One partition on the bridge: where its next record goes, and what becomes of it.
//!
//! Records go to Kafka as long as nothing of the partition lies in the journal. As soon as something does, they go
//! behind it. The way back is taken when the last of the journal stands in the producer's queue, in order, and not only
//! when it is delivered: under traffic the journal would never be empty otherwise. All of it is decided under one
//! lock, so that a record never overtakes one that was answered before it came.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Core;
use super::envelope::Envelope;
use crate::stream::kafka::{Delivery, Fate, Generation, Receipt};
use crate::stream::{Offset, Partition, Stream as _, StreamError};

type Answer = Result<Offset, StreamError>;

pub(super) struct Lane {
    partition: Partition,
    state: Mutex<State>,
    /// Told when the gate opens, and when the last call has written.
    changed: Notify,
}

/// How long a call waits at the gate, and the gate for calls that write. Both only save the journal some records.
const GATE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct State {
    /// Calls whose records are on their way into the journal.
    writing: usize,
    /// Whether calls wait a moment, so that the drain comes to the journal's end.
    is_shut: bool,
    /// Set when everything in the journal is in the queue of this client of the producer, so that more may follow
    /// it there.
    handed_over: Option<Generation>,
    /// Records of the journal that this process's producer has as well.
    originals: HashMap<Receipt, Delivery>,
}

/// Open again when it is dropped.
pub(super) struct Gate<'a>(&'a Lane);

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        super::lock(&self.0.state).is_shut = false;
        self.0.changed.notify_waiters();
    }
}

impl State {
    /// A call's records go into the journal, and later ones behind them.
    fn take_back(&mut self) {
        self.writing += 1;
        self.handed_over = None;
    }
}

/// A record of a call.
pub(super) struct Item {
    payload: Bytes,
    receipt: Receipt,
    /// Set when a producer took it.
    delivery: Option<Delivery>,
}

/// A call whose records have their place in the order.
pub(super) enum Begun {
    /// They are in the producer's queue, from the first one on as many as it took.
    Sent(Vec<Item>),
    /// They go behind what is in the journal.
    Queued(Vec<Item>),
}

impl Lane {
    pub(super) fn new(partition: Partition) -> Self {
        Self { partition, state: Mutex::default(), changed: Notify::new() }
    }

    /// Waits while the drain is about to hand over.
    pub(super) async fn enter(&self) {
        self.until(|state| !state.is_shut).await;
    }

    /// Waits for this, for a bounded time.
    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let waiting = async {
            loop {
                // Before the look, so that no change is missed.
                let changed = self.changed.notified();
                if is_so(&super::lock(&self.state)) {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(GATE, waiting).await;
    }

    /// Lets no call in until the result is dropped, and waits for those that are writing: what the journal holds
    /// afterwards is all of it.
    pub(super) async fn shut(&self) -> Gate<'_> {
        super::lock(&self.state).is_shut = true;
        let gate = Gate(self);
        self.until(|state| state.writing == 0).await;
        gate
    }

    /// Gives the records of a call their place. Does not wait.
    pub(super) fn begin(&self, core: &Core, payloads: Vec<Bytes>) -> Begun {
        let mut state = super::lock(&self.state);
        let is_empty = core.journal.backlog(self.partition) == 0;
        let mut behind = if is_empty { None } else { state.handed_over };
        let is_free = state.writing == 0 && (is_empty || behind.is_some());
        let kafka = if is_free { core.link.kafka() } else { None };
        let Some(kafka) = kafka else {
            state.take_back();
            let queued = |payload| Item { payload, receipt: core.session.receipt(), delivery: None };
            return Begun::Queued(payloads.into_iter().map(queued).collect());
        };
        let mut refused = false;
        let mut items = Vec::with_capacity(payloads.len());
        for payload in payloads {
            let receipt = core.session.receipt();
            // After the first refusal none is sent: a later record must not overtake an earlier one.
            let sent =
                if refused { None } else { kafka.send(self.partition, &payload, &receipt, behind).ok() };
            refused = sent.is_none();
            let (delivery, generation) = sent.unzip();
            behind = generation.or(behind);
            items.push(Item { payload, receipt, delivery });
        }
        Begun::Sent(items)
    }

    /// Sees the records of a call through: one answer each.
    pub(super) async fn finish(&self, core: &Core, begun: Begun) -> Vec<Answer> {
        let items = match begun {
            Begun::Queued(items) => return self.write(core, items).await,
            Begun::Sent(items) => items,
        };
        let deadline = Instant::now() + core.options.bridge_after;
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(items.len());
        let mut left = Vec::new();
        for item in items {
            // From the first one that Kafka does not confirm on, nobody is waited for.
            let fate = match &item.delivery {
                None => None,
                Some(delivery) if left.is_empty() => timeout_at(deadline, delivery.clone()).await.ok(),
                Some(delivery) => delivery.clone().now_or_never(),
            };
            let answer = fate.and_then(settled);
            if answer.is_none() {
                left.push(item);
            }
            answers.push(answer);
        }
        if !left.is_empty() {
            super::lock(&self.state).take_back();
        }
        let written = if left.is_empty() { Vec::new() } else { self.write(core, left).await };
        let mut written = written.into_iter();
        let answer = |known: Option<Answer>| known.or_else(|| written.next());
        answers.into_iter().map(answer).map(|answer| answer.unwrap_or(Err(StreamError::Closed))).collect()
    }

    /// Puts records into the journal. The caller has counted this call in `writing`.
    async fn write(&self, core: &Core, items: Vec<Item>) -> Vec<Answer> {
        let records = {
            let mut state = super::lock(&self.state);
            let envelope = |item: &Item| {
                if let Some(delivery) = &item.delivery {
                    state.originals.insert(item.receipt, delivery.clone());
                }
                Envelope::new(item.payload.clone(), item.receipt, item.delivery.is_some())
                    .to_record(self.partition)
            };
            items.iter().map(envelope).collect()
        };
        let mut written = core.journal.append(records).await;
        // A journal that closed gives fewer answers.
        written.resize_with(items.len(), || Err(StreamError::Closed));
        {
            let mut state = super::lock(&self.state);
            state.writing -= 1;
            self.changed.notify_waiters();
            for (item, _) in items.iter().zip(&written).filter(|(_, answer)| answer.is_err()) {
                state.originals.remove(&item.receipt);
            }
        }
        if written.iter().any(Result::is_ok) {
            core.is_bridging();
        }
        let deadline = Instant::now() + core.options.last_wait;
        let mut answers = Vec::with_capacity(items.len());
        for (item, answer) in items.into_iter().zip(written) {
            answers.push(match (answer, item.delivery) {
                (Err(_), Some(delivery)) => last_word(core, delivery, deadline).await,
                (answer, _) => answer,
            });
        }
        answers
    }

    /// Puts a batch, the oldest `count` records of the journal, into the producer's queue. `send` does it, and says
    /// where all of it is now. If nothing lies behind the batch, what comes next follows it there.
    pub(super) fn hand_over(&self, core: &Core, count: usize, send: impl FnOnce() -> Option<Generation>) {
        let mut state = super::lock(&self.state);
        let sent = send();
        let is_last = state.writing == 0 && core.journal.backlog(self.partition) == count as u64;
        state.handed_over = sent.filter(|_| is_last);
    }

    /// Some of the batch must be sent again.
    pub(super) fn hand_back(&self) {
        super::lock(&self.state).handed_over = None;
    }

    /// The delivery of a journaled record that this process's producer has as well.
    pub(super) fn original(&self, receipt: &Receipt) -> Option<Delivery> {
        super::lock(&self.state).originals.get(receipt).cloned()
    }

    /// These records are out of the journal.
    pub(super) fn forget<'a>(&self, receipts: impl Iterator<Item = &'a Receipt>) {
        let mut state = super::lock(&self.state);
        for receipt in receipts {
            state.originals.remove(receipt);
        }
    }
}

/// A producer has the record and the journal did not take it. "Full" would promise that nothing was stored.
async fn last_word(core: &Core, delivery: Delivery, deadline: Instant) -> Answer {
    let fate = tokio::select! {
        fate = timeout_at(deadline, delivery) => fate.ok(),
        () = core.stop.cancelled() => None,
    };
    fate.and_then(settled).unwrap_or_else(|| {
        Err(StreamError::Unavailable("the brokers and the journal gave no answer about the record".into()))
    })
}

/// What is certain.
fn settled(fate: Fate) -> Option<Answer> {
    match fate {
        Fate::Delivered(offset) => Some(Ok(offset)),
        Fate::TooLarge => Some(Err(StreamError::TooLarge)),
        Fate::Unsure => None,
    }
}
