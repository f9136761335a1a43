//! Turns events into rows that carry their own deltas.
//!
//! The only stateful stage. For each website and site-local day it knows the day's visitors and sessions, and writes
//! on every row what the event changes: a visit more, a bounce less, so many milliseconds longer. Every report is
//! then a sum (see `metrics.md` of the design for what the words mean).
//!
//! The state is a cache of what the rows already say: a [`Day`] that is not here can always be made again from the
//! stored rows of that website and day, so a restart, an idle website or an import of old logs need no special case.
//! The caller loads what [`Sessioniser::missing`] names, then calls [`Sessioniser::apply`].

use std::collections::{HashMap, HashSet};

use schema::Event;
use schema::rows::EventRow;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::row::{Deltas, Stamp, row};

mod held;
mod ids;
mod moment;
mod names;
mod places;

use held::{Held, Live};
use names::Names;

/// A session ends when the gap to the next event is over 30 minutes.
pub const SESSION_GAP_MS: i64 = 30 * 60 * 1000;

/// A website and one of its local days (days since 1970-01-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DayKey {
    /// The website.
    pub website_id: Uuid,
    /// The site-local day.
    pub day: i32,
}

/// Somebody within a day: a visitor, or the owner of sessions. A bot is a visitor of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Somebody {
    /// The keyed hash.
    pub id: u64,
    /// Whether the events were held to be a bot's.
    pub is_bot: bool,
}

/// One session, as far as later events need it, as it is made from stored rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id; never 0.
    pub id: u64,
    /// Time of the event that started it: all its rows are stamped with it.
    pub start: i64,
    /// Site-local day of `start`.
    pub day: i32,
    /// Time of its earliest event (earlier than `start` only when one came late).
    pub first: i64,
    /// Time of its latest event.
    pub last: i64,
    /// How many page views it has.
    pub page_views: u64,
    /// How many custom events it has.
    pub customs: u64,
    /// Hashes of the paths it has viewed.
    pub paths: HashSet<u64>,
    /// Path of its first page view; `None` before that.
    pub entry_path: Option<String>,
    /// Time and path of its last page view.
    pub last_view: Option<(i64, String)>,
    /// The facts of its first event.
    pub stamp: Stamp,
}

/// What is known of one website's day, as it is made from stored rows; [`Sessioniser::put`] makes less of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Day {
    /// Who was seen that day.
    pub visitors: HashSet<Somebody>,
    /// Everybody's sessions, in the order in which they were made.
    pub sessions: HashMap<Somebody, Vec<Session>>,
    /// Whose last session went on over midnight, the day on which it did, and who they are then.
    pub moved: HashMap<Somebody, (i32, Somebody)>,
    /// The caller-given ids of the day's events; a repeat is dropped.
    pub event_ids: HashSet<u128>,
    /// Receipt time of the last event that used this day, for forgetting idle ones.
    pub used_at: i64,
}

/// The state of one partition. See the module's text.
#[derive(Debug, Default)]
pub struct Sessioniser {
    /// Asked several times for every event. Nobody outside chooses a website's id or a day, so the quick hash will do.
    days: hashbrown::HashMap<DayKey, Held>,
    names: Names,
    epoch: u32,
}

/// Where a record stands in the stream.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The stream's id.
    pub stream: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

impl Sessioniser {
    /// One that knows nothing yet, for rows of an epoch (see `schema::epochs`).
    pub fn of_epoch(epoch: u32) -> Self {
        Self { epoch, ..Self::default() }
    }

    /// The epoch of its rows.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// A day that must be put before the event can be applied; `None` when all are here.
    pub fn missing(&self, event: &Event) -> Option<DayKey> {
        let today = DayKey { website_id: event.website_id(), day: event.day };
        if !self.days.contains_key(&today) {
            return Some(today);
        }
        let yesterday = DayKey { day: event.day_before(), ..today };
        if event.previous_person != 0 && !self.days.contains_key(&yesterday) {
            return Some(yesterday);
        }
        // A late event of a session that went on over midnight is booked where the session is now.
        let mut somebody = Somebody { id: event.person_key(), is_bot: event.is_bot() };
        let mut key = today;
        while let Some(next) = self.days.get(&key).and_then(|day| day.moved.get(&somebody)) {
            (key.day, somebody) = *next;
            if !self.days.contains_key(&key) {
                return Some(key);
            }
        }
        None
    }

    /// Puts a day's state, as it was made from the stored rows.
    pub fn put(&mut self, key: DayKey, day: Day) {
        let held = Held::of(day, &mut self.names);
        self.days.insert(key, held);
    }

    /// Forgets days that no event has used since `before` (receipt time); they are made again when needed.
    pub fn forget_idle(&mut self, before: i64) {
        self.days.retain(|_, day| day.used_at >= before);
        self.sweep();
    }

    /// Forgets what no session that is held has in common with others any more.
    fn sweep(&mut self) {
        if self.names.want_sweep() {
            let old = self.names.begin_sweep();
            self.days.values_mut().for_each(|day| day.rename(&old, &mut self.names));
            self.names.end_sweep();
        }
    }

    /// Forgets the least recently used days until at most `sessions` sessions are held.
    pub fn forget_beyond(&mut self, sessions: usize) {
        let mut held = self.sessions();
        if held <= sessions {
            return;
        }
        let mut by_use: Vec<_> = self.days.iter().map(|(key, day)| (day.used_at, *key)).collect();
        by_use.sort_unstable();
        for (_, key) in by_use {
            if held <= sessions {
                break;
            }
            if let Some(day) = self.days.remove(&key) {
                held -= day.count();
            }
        }
    }

    /// Forgets days of a website and the days before them, from which sessions may have moved on.
    pub fn forget(&mut self, website_id: Uuid, days: &[u16]) {
        for day in days.iter().map(|day| i32::from(*day)) {
            for day in [day - 2, day - 1, day] {
                self.days.remove(&DayKey { website_id, day });
            }
        }
    }

    /// How many days of websites are held.
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// How many sessions are held.
    pub fn sessions(&self) -> usize {
        self.days.values().map(Held::count).sum()
    }

    /// Whether the event's id was seen on its day. The day must be here.
    pub fn repeats(&self, event: &Event) -> bool {
        let day = self.days.get(&DayKey { website_id: event.website_id(), day: event.day });
        let id = event.event_id.map(|id| Uuid::from(id).as_u128());
        day.zip(id).is_some_and(|(day, id)| day.ids.contains(id))
    }

    /// The event's row; `None` when its id was seen before on its day. All days that it needs must be here.
    pub fn apply(&mut self, event: Event, place: Place<'_>) -> Option<EventRow> {
        let key = DayKey { website_id: event.website_id(), day: event.day };
        let received = event.received_ms;
        let event_id = event.event_id.map(Uuid::from).unwrap_or_default();
        if !event_id.is_nil() && !self.day(key, received).ids.insert(event_id.as_u128()) {
            return None;
        }
        let epoch = self.epoch;
        if event.excluded {
            return Some(row(event, place, epoch, event_id, Deltas::default(), None));
        }
        let visitor = Somebody { id: event.visitor_id, is_bot: event.is_bot() };
        let visitors = i8::from(self.day(key, received).sees(visitor));
        let Some((of, at)) = self.session_of(&event, key, place) else {
            return Some(row(event, place, epoch, event_id, Deltas { visitors, ..Deltas::default() }, None));
        };
        let session = self.days.get_mut(&of)?.get_mut(at)?;
        let deltas = Deltas { visitors, ..session.extend(&event, &mut self.names) };
        let booked = session.booked(&self.names);
        Some(row(event, place, epoch, event_id, deltas, Some(booked)))
    }

    fn day(&mut self, key: DayKey, used_at: i64) -> &mut Held {
        let day = self.days.entry(key).or_default();
        day.used_at = day.used_at.max(used_at);
        day
    }

    /// The session that the event belongs to, with the day that has it: one within 30 minutes of it, or a new one, or none.
    fn session_of(&mut self, event: &Event, today: DayKey, place: Place<'_>) -> Option<(DayKey, u32)> {
        let owner = Somebody { id: event.person_key(), is_bot: event.is_bot() };
        let (mut somebody, mut key) = (owner, today);
        let mut at = self.position(key, somebody, event.time_ms);
        if at.is_none() {
            self.continue_over_midnight(event, today, somebody);
            at = self.position(key, somebody, event.time_ms);
        }
        // Where a session has moved on, its later half is looked at too.
        while at.is_none() {
            let Some(next) = self.days.get(&key).and_then(|day| day.moved.get(&somebody)) else { break };
            (key.day, somebody) = *next;
            at = self.position(key, somebody, event.time_ms);
        }
        if let Some(at) = at {
            self.day(key, event.received_ms);
            return Some((key, at));
        }
        if !starts_session(event) {
            return None;
        }
        let session = Live::begin(event, session_id(place), &mut self.names);
        let at = self.day(today, event.received_ms).push(session);
        Some((today, at))
    }

    fn position(&self, key: DayKey, somebody: Somebody, time: i64) -> Option<u32> {
        self.days.get(&key)?.position(somebody, time)
    }

    /// Moves a session that yesterday's events left open to today's key, when the event continues it.
    fn continue_over_midnight(&mut self, event: &Event, today: DayKey, somebody: Somebody) {
        if event.previous_person == 0 {
            return;
        }
        let yesterday = DayKey { day: event.day_before(), ..today };
        let before = Somebody { id: event.previous_person, is_bot: somebody.is_bot };
        let Some(day) = self.days.get_mut(&yesterday) else { return };
        let Some(at) = day.position(before, event.time_ms) else { return };
        let Some(session) = day.take(before, at, somebody) else { return };
        day.moved.insert(before, (today.day, somebody));
        self.day(today, event.received_ms).push(session);
    }
}

impl Day {
    /// Forgets what lies before a horizon: the whole day, or sessions that began before it.
    pub(super) fn cut(&mut self, key: DayKey, horizon: i32) {
        if key.day < horizon {
            *self = Self::default();
        }
        for sessions in self.sessions.values_mut() {
            sessions.retain(|session| session.day >= horizon);
        }
    }
}

/// Only page views and custom events start a session.
fn starts_session(event: &Event) -> bool {
    event.is_page_view() || event.event_type == schema::event::CUSTOM
}

/// The hash by which a session remembers a path.
pub fn path_hash(path: &str) -> u64 {
    first_64_bits(path.as_bytes())
}

/// A session's id, from the place of the event that started it: the same whenever the event is loaded again.
fn session_id(place: Place<'_>) -> u64 {
    let mut hash = Sha256::new();
    hash.update(place.stream.as_bytes());
    hash.update(place.partition.to_be_bytes());
    hash.update(place.offset.to_be_bytes());
    service::secrets::first_64_bits(&hash.finalize().into()).max(1)
}

fn first_64_bits(bytes: &[u8]) -> u64 {
    service::secrets::first_64_bits(&Sha256::digest(bytes).into())
}
