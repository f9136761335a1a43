//! One batch: its records become rows and dead letters, and are inserted once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use schema::Event;
use schema::event::DecodeError;
use schema::rows::{DeadLetterRow, EventRow};
use service::Stop;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::claims::{Ask, Claims, WINDOW_MS};
use super::landed::{self, Landed};
use super::recall::{self, Before};
use super::sessionise::{Day, DayKey, Place, Sessioniser};
use super::{Worker, WorkerError, insert};
use crate::stream::{Lease, Offset, Stored};
use crate::telemetry;

/// The reason of a dead letter whose row the store refused before anything of its batch was stored.
const REFUSED: &str = "refused_by_store";

/// The reason when it was refused between neighbours that were stored as they had been made with it.
const REFUSED_ALONE: &str = "refused_alone";

/// What is known of a batch that is not made for the first time.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Offsets whose rows the store has refused; they are dead letters, and the batch is made as if they were not there.
    pub(super) refused: BTreeSet<Offset>,
    /// What the store has of it, when the offsets were set back: only the rest is inserted.
    pub(super) landed: Option<Landed>,
}

/// Records that are events, in the order in which they are applied, and those that are none.
pub(super) struct Decoded {
    pub(super) events: Vec<(Offset, Event)>,
    dead: Vec<DeadLetterRow>,
}

/// What a batch of records becomes.
struct Batch {
    rows: Vec<EventRow>,
    dead: Vec<DeadLetterRow>,
    repeats: usize,
    /// Why events were left out of it, each.
    dropped: Vec<&'static str>,
}

impl Worker {
    /// Makes the batch of a range and inserts it, under the token of that range. Rows that the store refuses become dead
    /// letters first; then the batch is made again without them.
    pub(super) async fn store(
        &self,
        lease: &mut dyn Lease,
        sessions: &mut Sessioniser,
        range: Range<Offset>,
        records: &[Stored],
        mut past: Past,
        end: &Stop,
    ) -> Result<(), WorkerError> {
        let (mut batch, token) = loop {
            let mut batch = self.make(sessions, range.start, records, &past, end).await?;
            if let Some(landed) = &past.landed {
                batch.rows.retain(|row| !landed.rows.contains(&row.kafka_offset));
                batch.dead.retain(|letter| !landed.letters.contains(&letter.kafka_offset));
                if batch.rows.is_empty() && batch.dead.is_empty() {
                    return Ok(());
                }
                lease.plan(range.end).await?;
            }
            let token = self.token(&range, &past);
            if insert::insert_whole(&self.client, &token, &batch.rows, end).await?.is_ok() {
                break (batch, token);
            }
            // Memory tells of rows that are not stored.
            *sessions = Sessioniser::of_epoch(sessions.epoch());
            let refused = insert::try_out(&self.client, &batch.rows, end).await?;
            if refused.is_empty() {
                let refused = insert::insert_events(&self.client, &token, &batch.rows, end).await?;
                batch
                    .rows
                    .retain(|row| !refused.iter().any(|(other, _)| other.kafka_offset == row.kafka_offset));
                batch.dead.extend(self.refused_letters(records, REFUSED_ALONE, &refused));
                break (batch, token);
            }
            let letters = self.refused_letters(records, REFUSED, &refused);
            past.refused.extend(letters.iter().map(|letter| letter.kafka_offset));
            // From here on every try knows of them. Another block than the letters of the batch that is then made.
            let token = format!("{}/refused", self.token(&range, &past));
            self.bury(&token, &letters, end).await?;
        };
        batch.dead.sort_by_key(|letter| letter.kafka_offset);
        self.bury(&token, &batch.dead, end).await?;
        telemetry::batch(batch.rows.len(), batch.repeats);
        for reason in &batch.dropped {
            telemetry::dropped(reason);
        }
        tracing::debug!(
            partition = self.partition,
            token,
            rows = batch.rows.len(),
            repeats = batch.repeats,
            dropped = batch.dropped.len(),
            dead_letters = batch.dead.len() + past.refused.len(),
            "A batch was stored."
        );
        Ok(())
    }

    /// The token of a range. Without the records that were refused it is another batch; and when offsets were set back it
    /// is not a first delivery, which may have been of the same range.
    fn token(&self, range: &Range<Offset>, past: &Past) -> String {
        let mut token = format!("{}/{}/{}-{}", self.stream.id(), self.partition, range.start, range.end);
        if past.landed.is_some() {
            token.push('+');
        }
        if !past.refused.is_empty() {
            let mut hash = Sha256::new();
            for offset in &past.refused {
                hash.update(offset.to_be_bytes());
            }
            let hash = service::secrets::first_64_bits(&hash.finalize().into());
            token = format!("{token}!{hash:016x}");
        }
        token
    }

    async fn bury(&self, token: &str, letters: &[DeadLetterRow], end: &Stop) -> Result<(), WorkerError> {
        insert::insert_dead_letters(&self.client, token, letters, end).await?;
        for letter in letters {
            telemetry::dead_letter(letter.reason.clone());
        }
        Ok(())
    }

    fn refused_letters(
        &self,
        records: &[Stored],
        reason: &str,
        refused: &[(EventRow, &'static str)],
    ) -> Vec<DeadLetterRow> {
        let details: HashMap<_, _> =
            refused.iter().map(|(row, detail)| (row.kafka_offset, *detail)).collect();
        let letter = |record: &Stored| {
            let detail = details.get(&record.offset)?;
            Some(self.dead_letter(record, reason, (*detail).to_owned()))
        };
        records.iter().filter_map(letter).collect()
    }

    /// Reads records, but for those that the store has refused as rows.
    pub(super) fn decode(&self, records: &[Stored], refused: &BTreeSet<Offset>) -> Decoded {
        let mut decoded = Decoded { events: Vec::with_capacity(records.len()), dead: Vec::new() };
        for record in records.iter().filter(|record| !refused.contains(&record.offset)) {
            match Event::from_bytes(&record.payload) {
                Ok(event) => decoded.events.push((record.offset, event)),
                Err(error) => {
                    let reason = match error {
                        DecodeError::Malformed(_) | DecodeError::Missing(_) => "malformed",
                        DecodeError::OutOfRange(_) => "out_of_range",
                        DecodeError::Newer(_) => "newer_version",
                    };
                    decoded.dead.push(self.dead_letter(record, reason, error.to_string()));
                }
            }
        }
        // Events that overtook each other on their way are put in order here; a person's stay in one partition.
        decoded.events.sort_by_key(|(_, event)| event.time_ms);
        decoded
    }

    async fn make(
        &self,
        sessions: &mut Sessioniser,
        from: Offset,
        records: &[Stored],
        past: &Past,
        end: &Stop,
    ) -> Result<Batch, WorkerError> {
        let Decoded { mut events, mut dead } = self.decode(records, &past.refused);
        let erased = self.erased(sessions.epoch()).await?;
        let mut dropped = Vec::new();
        events.retain(|(_, event)| {
            let reason = erased.reason(event);
            dropped.extend(reason);
            reason.is_none()
        });
        dead.retain(|letter| !erased.has_record(&letter.payload));
        let mut batch = Batch { rows: Vec::with_capacity(events.len()), dead, repeats: 0, dropped };
        self.recall_for(sessions, from, events.iter().map(|(_, event)| event)).await?;
        let repeats = self.claim(sessions, &events, past, end).await?;
        for (offset, event) in events {
            if repeats.contains(&offset) {
                batch.repeats += 1;
                continue;
            }
            // A session that went on over midnight may need one day more.
            self.recall_for(sessions, from, std::iter::once(&event)).await?;
            let place = Place { stream: self.stream.id(), partition: self.partition, offset };
            match sessions.apply(event, place) {
                Some(row) => batch.rows.push(row),
                None => batch.repeats += 1,
            }
        }
        Ok(batch)
    }

    /// Claims the ids of events that are not known to be repeats; the offsets of those that are. The first event of an id
    /// speaks for the batch's others.
    async fn claim(
        &self,
        sessions: &Sessioniser,
        events: &[(Offset, Event)],
        past: &Past,
        end: &Stop,
    ) -> Result<HashSet<Offset>, WorkerError> {
        let (mut repeats, mut asks) = (HashSet::new(), Vec::new());
        let mut received: HashMap<(Uuid, Uuid), i64> = HashMap::new();
        for (offset, event) in events {
            let Some(event_id) = event.event_id.map(Uuid::from).filter(|id| !id.is_nil()) else { continue };
            if event.received_ms - event.time_ms > WINDOW_MS || sessions.repeats(event) {
                continue;
            }
            let website_id = event.website_id();
            let before = received.insert((website_id, event_id), event.received_ms);
            if past.landed.as_ref().is_some_and(|landed| landed.rows.contains(offset)) {
                // It is stored: nobody can have its id any more.
            } else if before.is_some_and(|before| (event.received_ms - before).abs() < WINDOW_MS) {
                repeats.insert(*offset);
            } else {
                asks.push(Ask { website_id, event_id, offset: *offset, received_at: event.received_ms });
            }
        }
        // Claims do not last. Of what is loaded late or once more, the rows know.
        let is_late = |ask: &&Ask| past.landed.is_some() || self.clock.now() - ask.received_at > WINDOW_MS;
        let late: Vec<_> = asks.iter().filter(is_late).cloned().collect();
        let stored = landed::stored_ids(&self.client, &self.before(0), &late).await?;
        asks.retain(|ask| !stored.contains(&ask.offset));
        repeats.extend(stored);
        let claims =
            Claims { client: &self.client, stream: &*self.stream, partition: self.partition, stop: end };
        repeats.extend(claims.repeats(&asks).await?);
        Ok(repeats)
    }

    /// Recalls the days that these events need and that are not in memory.
    async fn recall_for(
        &self,
        sessions: &mut Sessioniser,
        from: Offset,
        events: impl Iterator<Item = &Event> + Clone + Send,
    ) -> Result<(), WorkerError> {
        loop {
            let missing: HashSet<_> = events.clone().filter_map(|event| sessions.missing(event)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let before = self.before(from);
            let erased = self.erased(sessions.epoch()).await?;
            for (key, mut day) in self.recall_with_patience(&before, &missing).await? {
                day.cut(key, i32::from(erased.horizon(key.website_id)));
                day.used_at = self.clock.now();
                sessions.put(key, day);
            }
        }
    }

    /// Asks until the store answers: while it is away the stream holds what comes.
    async fn recall_with_patience(
        &self,
        before: &Before<'_>,
        missing: &HashSet<DayKey>,
    ) -> Result<Vec<(DayKey, Day)>, WorkerError> {
        let mut wait = Duration::from_millis(100);
        loop {
            match recall::recall(&self.client, before, missing).await {
                Ok(days) => return Ok(days),
                Err(error @ clickhouse::error::Error::SchemaMismatch(_)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, partition = self.partition, "Earlier rows could not be read; it is tried again.");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
            }
        }
    }

    fn dead_letter(&self, record: &Stored, reason: &str, detail: String) -> DeadLetterRow {
        DeadLetterRow {
            stream: self.stream.id().to_owned(),
            kafka_partition: self.partition as u16,
            kafka_offset: record.offset,
            reason: reason.to_owned(),
            detail,
            payload: record.payload.to_vec(),
            recorded_at: self.clock.now(),
        }
    }
}
