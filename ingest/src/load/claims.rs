//! One event of an id is stored, whichever partitions its repeats land in and whoever loads them.
//!
//! What a partition's loader knows by itself are the ids of its own days. The rest is agreed upon in the table
//! `event_claims`, by the rule of [`turn`]. A batch does it for all its ids at once: one insert of who wants them, one
//! look, one insert of the turns. A loader that lost its partition and does not know it yet may have written others a
//! moment before, and the store keeps the first block of the token; so a mark goes with the turns, and only where it is
//! another one the turns are looked at. Only ids that somebody else wants too are looked at more closely, and only those
//! that are wanted in the same moment are waited for.
//!
//! The turns are in the store before anything is decided by them, so a batch that is made again decides as before.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clickhouse::query::Query;
use clickhouse::{Client, Row, RowOwned, RowRead};
use schema::rows::EventClaimRow;
use serde::Deserialize;
use service::{Stop, failpoint};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::{WorkerError, insert};
use crate::stream::{Offset, Stream};

mod mark;
mod turn;

use turn::{ALONE, Turn, Verdict, View};

/// An id is good for so long, in milliseconds between two receipts. An event that is received longer than this after it
/// happened was imported: it claims nothing, since a person's imported events share a partition.
pub(super) const WINDOW_MS: i64 = 24 * 3600 * 1000;

/// Ids of one look at rivals, of which there are few. The store takes parameters of up to 128 KiB, and an id is 39 bytes there.
pub(super) const LOOK_AT: usize = 2_500;

/// A look costs the store ten milliseconds whatever it looks at, so a batch's ids are looked at together, as bytes, in as many
/// parameters as `claims/ids.sql` names. In each are so many: 16 bytes of an id are 21.4 of base64.
const IDS_OF_PARAMETER: usize = 6_000;

/// The parameters of `claims/ids.sql`.
const PARAMETERS: [&str; 16] = [
    "ids0", "ids1", "ids2", "ids3", "ids4", "ids5", "ids6", "ids7", "ids8", "ids9", "ids10", "ids11",
    "ids12", "ids13", "ids14", "ids15",
];

/// First pause before rivals are looked at again; doubles up to [`PAUSE_LIMIT`].
const PAUSE: Duration = Duration::from_millis(10);

/// Longest pause before rivals are looked at again.
const PAUSE_LIMIT: Duration = Duration::from_secs(1);

/// How often it is said that rivals are still waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// An event that wants its id.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) website_id: Uuid,
    pub(super) event_id: Uuid,
    pub(super) offset: Offset,
    pub(super) received_at: i64,
}

/// The claims of one batch.
pub(super) struct Claims<'a> {
    pub(super) client: &'a Client,
    pub(super) stream: &'a dyn Stream,
    pub(super) partition: u32,
    pub(super) stop: &'a Stop,
}

/// Stream, partition and offset.
type Place = (String, u16, u64);

#[derive(Row, Deserialize)]
struct IdRow {
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

#[derive(Row, Deserialize)]
struct RivalsRow {
    offset: u64,
    own: u32,
    highest: u32,
    first: (u32, String, u16, u64),
    waiting: Vec<Place>,
}

#[derive(Row, Deserialize)]
struct TurnRow {
    offset: u64,
    its_turn: u32,
}

impl Claims<'_> {
    /// Claims the ids of a batch's events. Returns the offsets of those that are repeats.
    pub(super) async fn repeats(&self, asks: &[Ask]) -> Result<HashSet<Offset>, WorkerError> {
        let mut repeats = HashSet::new();
        if asks.is_empty() {
            return Ok(repeats);
        }
        let wants: Vec<_> = asks.iter().map(|ask| self.row(ask, 0)).collect();
        insert::insert_claims(self.client, None, &wants, self.stop).await?;
        failpoint::pass("after_want");

        let crowded = self.crowded(asks).await?;
        let rivals: Vec<_> =
            asks.iter().filter(|ask| crowded.contains(&(ask.website_id, ask.event_id))).collect();
        let mut views = self.views(&rivals).await?;
        // Whoever is not in here is alone, as nearly everybody is.
        let mut numbers: HashMap<Offset, u32> =
            views.iter().map(|(offset, view)| (*offset, view.number())).collect();
        let number = |ask: &Ask| numbers.get(&ask.offset).copied().unwrap_or(ALONE);

        let is_new = |ask: &&Ask| views.get(&ask.offset).is_none_or(|view| view.own == 0);
        let fresh: Vec<_> = asks.iter().filter(is_new).collect();
        let (token, mark) = (self.token(asks), Uuid::new_v4().as_u64_pair().1);
        let mut turns: Vec<_> = fresh.iter().map(|ask| self.row(ask, number(ask))).collect();
        turns.extend(self.marks(&fresh, &token, mark));
        insert::insert_claims(self.client, Some(&token), &turns, self.stop).await?;
        failpoint::pass("after_turn");
        if !self.are_kept(&fresh, &token, mark).await? {
            for (offset, number) in self.turns(&fresh).await? {
                if numbers.insert(offset, number).unwrap_or(ALONE) != number {
                    // Written by somebody else in the meantime, after a look at another moment than ours.
                    views.remove(&offset);
                }
            }
        }

        let mut open = Vec::new();
        for ask in asks.iter().filter(|ask| numbers.get(&ask.offset).is_some_and(|number| *number != ALONE)) {
            let turn = self.turn(ask, &numbers);
            match views.get(&ask.offset).map_or(Verdict::Unknown, |view| view.verdict(&turn)) {
                Verdict::Stored => {}
                Verdict::Repeat => drop(repeats.insert(ask.offset)),
                Verdict::Unknown => open.push(ask),
            }
        }
        self.wait_for(open, &numbers, &mut repeats).await?;
        Ok(repeats)
    }

    /// Looks until every rival has a turn that matters.
    async fn wait_for(
        &self,
        mut open: Vec<&Ask>,
        numbers: &HashMap<Offset, u32>,
        repeats: &mut HashSet<Offset>,
    ) -> Result<(), WorkerError> {
        let (mut pause, mut said) = (PAUSE, Instant::now());
        let mut passed: HashMap<u16, Offset> = HashMap::new();
        loop {
            let mut awaited = HashSet::new();
            let rivals = self.rivals(&open).await?;
            let mut still = Vec::new();
            for ask in open {
                let turn = self.turn(ask, numbers);
                let Some(row) = rivals.get(&ask.offset) else { continue };
                // Its loader went on without it: its offset was set forward, or its record is gone. Committed was asked
                // before this look, and a turn is written before its offset is committed.
                let is_left = |(stream, partition, offset): &&Place| {
                    stream == self.stream.id() && passed.get(partition).is_some_and(|next| offset < next)
                };
                let waiting: Vec<_> = row.waiting.iter().filter(|place| !is_left(place)).cloned().collect();
                let view = View { own: turn.number, is_awaited: !waiting.is_empty(), ..row.view() };
                awaited.extend(waiting);
                match view.verdict(&turn) {
                    Verdict::Stored => {}
                    Verdict::Repeat => drop(repeats.insert(ask.offset)),
                    Verdict::Unknown => still.push(ask),
                }
            }
            if still.is_empty() {
                return Ok(());
            }
            open = still;
            if said.elapsed() > SAY_EVERY {
                said = Instant::now();
                tracing::warn!(
                    partition = self.partition,
                    events = open.len(),
                    "Events wait for partitions that have their ids too and do not move."
                );
            }
            tokio::time::sleep(insert::jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_LIMIT);
            let partitions: HashSet<u16> = awaited.iter().map(|(_, partition, _)| *partition).collect();
            for partition in partitions.into_iter().filter(|it| u32::from(*it) < self.stream.partitions()) {
                if let Ok(committed) = self.stream.committed(partition.into()).await {
                    passed.insert(partition, committed);
                }
            }
        }
    }

    fn row(&self, ask: &Ask, turn: u32) -> EventClaimRow {
        EventClaimRow {
            website_id: ask.website_id,
            event_id: ask.event_id,
            stream: self.stream.id().to_owned(),
            kafka_partition: self.partition as u16,
            kafka_offset: ask.offset,
            turn,
            received_at: ask.received_at,
        }
    }

    fn turn(&self, ask: &Ask, numbers: &HashMap<Offset, u32>) -> Turn<Place> {
        let number = numbers.get(&ask.offset).copied().unwrap_or(ALONE);
        Turn { number, place: (self.stream.id().to_owned(), self.partition as u16, ask.offset) }
    }

    /// The token of a batch's turns: of its events and not of the turns, since the first turns of a batch are for good.
    fn token(&self, asks: &[Ask]) -> String {
        let mut hash = Sha256::new();
        for ask in asks {
            hash.update(ask.website_id.as_bytes());
            hash.update(ask.event_id.as_bytes());
            hash.update(ask.offset.to_be_bytes());
            hash.update(ask.received_at.to_be_bytes());
        }
        let hash = service::secrets::first_64_bits(&hash.finalize().into());
        format!("{}/{}/{hash:016x}", self.stream.id(), self.partition)
    }

    /// The ids that others want too, or that have had turns before.
    async fn crowded(&self, asks: &[Ask]) -> Result<HashSet<(Uuid, Uuid)>, WorkerError> {
        let mut crowded = HashSet::new();
        for asks in in_order_of_the_table(asks.iter()).chunks(PARAMETERS.len() * IDS_OF_PARAMETER) {
            let received = || asks.iter().map(|ask| ask.received_at);
            let offsets = || asks.iter().map(|ask| ask.offset);
            let look = || {
                self.of_this_partition(self.about(include_str!("claims/crowded.sql"), asks))
                    .param("from", offsets().min().unwrap_or_default())
                    .param("to", offsets().max().unwrap_or_default())
                    .param("since", received().min().unwrap_or_default().saturating_sub(WINDOW_MS))
                    .param("until", received().max().unwrap_or_default().saturating_add(WINDOW_MS))
            };
            let rows = self.patiently::<IdRow>(look).await?;
            crowded.extend(rows.into_iter().map(|row| (row.website_id, row.event_id)));
        }
        Ok(crowded)
    }

    async fn views(&self, asks: &[&Ask]) -> Result<HashMap<Offset, View<Place>>, WorkerError> {
        Ok(self.rivals(asks).await?.into_iter().map(|(offset, row)| (offset, row.view())).collect())
    }

    async fn rivals(&self, asks: &[&Ask]) -> Result<HashMap<Offset, RivalsRow>, WorkerError> {
        let mut rivals = HashMap::new();
        for asks in asks.chunks(LOOK_AT) {
            let look = || {
                let texts =
                    |id: fn(&Ask) -> Uuid| asks.iter().map(|ask| id(ask).to_string()).collect::<Vec<_>>();
                self.of_this_partition(self.client.query(include_str!("claims/rivals.sql")))
                    .param("websites", texts(|ask| ask.website_id))
                    .param("ids", texts(|ask| ask.event_id))
                    .param("offsets", asks.iter().map(|ask| ask.offset).collect::<Vec<_>>())
                    .param("received", asks.iter().map(|ask| ask.received_at).collect::<Vec<_>>())
                    .param("window", WINDOW_MS)
            };
            let rows = self.patiently::<RivalsRow>(look).await?;
            rivals.extend(rows.into_iter().map(|row| (row.offset, row)));
        }
        Ok(rivals)
    }

    async fn turns(&self, asks: &[&Ask]) -> Result<HashMap<Offset, u32>, WorkerError> {
        let mut turns = HashMap::new();
        for asks in in_order_of_the_table(asks.iter().copied()).chunks(PARAMETERS.len() * IDS_OF_PARAMETER) {
            let offsets = || asks.iter().map(|ask| ask.offset);
            let look = || {
                self.of_this_partition(self.about(include_str!("claims/turns.sql"), asks))
                    .param("from", offsets().min().unwrap_or_default())
                    .param("to", offsets().max().unwrap_or_default())
            };
            let rows = self.patiently::<TurnRow>(look).await?;
            turns.extend(rows.into_iter().map(|row| (row.offset, row.its_turn)));
        }
        Ok(turns)
    }

    fn about(&self, sql: &'static str, asks: &[&Ask]) -> Query {
        let websites: HashSet<_> = asks.iter().map(|ask| ask.website_id).collect();
        let mut ids = asks.chunks(IDS_OF_PARAMETER);
        let query = self
            .client
            .query(&sql.replace("$ids", include_str!("claims/ids.sql").trim_end()))
            .param("websites", websites.iter().map(Uuid::to_string).collect::<Vec<_>>());
        PARAMETERS
            .iter()
            .fold(query, |query, parameter| query.param(parameter, packed(ids.next().unwrap_or_default())))
    }

    fn of_this_partition(&self, query: Query) -> Query {
        query.param("stream", self.stream.id()).param("partition", self.partition)
    }

    /// Asks until the store answers.
    async fn patiently<T>(&self, ask: impl Fn() -> Query + Send) -> Result<Vec<T>, WorkerError>
    where
        T: RowOwned + RowRead,
    {
        let mut wait = Duration::from_millis(100);
        loop {
            match ask().fetch_all::<T>().await {
                Ok(rows) => return Ok(rows),
                Err(error @ clickhouse::error::Error::SchemaMismatch(_)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, partition = self.partition, "The claims could not be read; it is tried again.");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
            }
        }
    }
}

/// The ids one after another, as the store has them in memory: two halves, each with its last byte first; in base64 for URLs.
fn packed(asks: &[&Ask]) -> String {
    let mut bytes = Vec::with_capacity(16 * asks.len());
    for ask in asks {
        let (high, low) = ask.event_id.as_u64_pair();
        bytes.extend_from_slice(&high.to_le_bytes());
        bytes.extend_from_slice(&low.to_le_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same, in the order in which the table has them: so that each look meets a part of the table, and not every look all of
/// it. The store compares the second halves of ids first.
fn in_order_of_the_table<'a>(asks: impl Iterator<Item = &'a Ask>) -> Vec<&'a Ask> {
    let turned = |id: Uuid| id.as_u128().rotate_left(64);
    let mut asks: Vec<_> = asks.collect();
    asks.sort_unstable_by_key(|ask| (turned(ask.website_id), turned(ask.event_id), ask.offset));
    asks
}

impl RivalsRow {
    fn view(&self) -> View<Place> {
        let (number, stream, partition, offset) = self.first.clone();
        View {
            own: self.own,
            first: (number > 0).then_some(Turn { number, place: (stream, partition, offset) }),
            highest: self.highest,
            is_awaited: !self.waiting.is_empty(),
        }
    }
}
