//! What is held of one website's day: what a [`Day`] tells, in as few bytes as it can be had.

use std::collections::{HashMap, HashSet};

use hashbrown::HashTable;
use schema::Event;
use schema::event::CUSTOM;

use super::ids::Ids;
use super::moment::Moment;
use super::names::{NONE, Names, StampNumber};
use super::places::Places;
use super::{Day, SESSION_GAP_MS, Session, Somebody, path_hash};
use crate::load::row::{Booked, Deltas, Stamp, stored_day};

/// One session.
#[derive(Debug, Clone)]
pub(super) struct Live {
    id: u64,
    owner: u64,
    start: Moment,
    first: Moment,
    last: Moment,
    /// Time of the last page view.
    viewed_at: Moment,
    /// Hashes of the paths that it has viewed beside the entry and the last one.
    others: Option<Box<Others>>,
    day: u16,
    /// Path of the first page view.
    entry: u32,
    /// Path of the last page view.
    viewed: u32,
    stamp: StampNumber,
    /// The owner's next session, or the next free place.
    next: u32,
    /// Whether there were none, one, or more.
    page_views: u8,
    customs: u8,
    is_bot: bool,
    /// Whether the owner was seen on this day, where this session is what says so.
    is_seen: bool,
}

/// In a box of its own, since most sessions have none.
#[derive(Debug, Clone, Default)]
struct Others(Vec<u64>);

/// More than one is no bounce, however many it is.
fn few(count: u64) -> u8 {
    count.min(2) as u8
}

impl Live {
    pub(super) fn begin(event: &Event, id: u64, names: &mut Names) -> Self {
        Self {
            id,
            owner: event.person_key(),
            start: Moment::of(event.time_ms),
            first: Moment::of(event.time_ms),
            last: Moment::of(event.time_ms),
            viewed_at: Moment::default(),
            others: None,
            day: stored_day(event.day),
            entry: NONE,
            viewed: NONE,
            stamp: names.stamp(Stamp::of(event)),
            next: NONE,
            page_views: 0,
            customs: 0,
            is_bot: event.is_bot(),
            is_seen: false,
        }
    }

    fn of(session: Session, owner: Somebody, names: &mut Names) -> Self {
        let (viewed_at, viewed) = match &session.last_view {
            Some((time, path)) => (Moment::of(*time), names.path(path)),
            None => (Moment::default(), NONE),
        };
        let known =
            [session.entry_path.as_deref(), session.last_view.as_ref().map(|(_, path)| path.as_str())];
        let known = known.map(|path| path.map(path_hash));
        let others: Vec<u64> =
            session.paths.iter().copied().filter(|path| !known.contains(&Some(*path))).collect();
        Self {
            id: session.id,
            owner: owner.id,
            start: Moment::of(session.start),
            first: Moment::of(session.first),
            last: Moment::of(session.last),
            viewed_at,
            others: (!others.is_empty()).then(|| Box::new(Others(others))),
            day: stored_day(session.day),
            entry: session.entry_path.as_deref().map_or(NONE, |path| names.path(path)),
            viewed,
            stamp: names.stamp(session.stamp),
            next: NONE,
            page_views: few(session.page_views),
            customs: few(session.customs),
            is_bot: owner.is_bot,
            is_seen: false,
        }
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    fn first(&self) -> i64 {
        self.first.milliseconds()
    }

    fn last(&self) -> i64 {
        self.last.milliseconds()
    }

    /// From its first to its last event.
    fn lasts(&self) -> i64 {
        self.last() - self.first()
    }

    fn is_of(&self, somebody: Somebody) -> bool {
        self.owner == somebody.id && self.is_bot == somebody.is_bot
    }

    /// A session is a bounce with exactly one page view and no custom event.
    fn is_bounce(&self) -> bool {
        self.page_views == 1 && self.customs == 0
    }

    /// Whether it has viewed a path.
    fn has_viewed(&self, path: u32, text: &str) -> bool {
        let others = self.others.as_deref().map_or(&[][..], |others| &others.0);
        path == self.entry || path == self.viewed || others.contains(&path_hash(text))
    }

    /// A path that it has viewed, and that is neither the entry nor the last one any more.
    fn remember(&mut self, text: &str) {
        let hash = path_hash(text);
        let others = &mut self.others.get_or_insert_default().0;
        if !others.contains(&hash) {
            others.reserve_exact(1);
            others.push(hash);
        }
    }

    /// Takes the event in and tells what it changes.
    pub(super) fn extend(&mut self, event: &Event, names: &mut Names) -> Deltas {
        let mut deltas =
            Deltas { visits: i8::from(self.page_views == 0 && self.customs == 0), ..Deltas::default() };
        let bounced = i8::from(self.is_bounce());
        let lasted = self.lasts();
        self.first = Moment::of(self.first().min(event.time_ms));
        self.last = Moment::of(self.last().max(event.time_ms));
        deltas.duration_ms = self.lasts() - lasted;
        let had_entry = self.entry != NONE;
        if event.is_page_view() {
            self.page_views = few(u64::from(self.page_views) + 1);
            deltas.prev_path = self.view(event, names, &mut deltas.unique_pageview);
        } else if event.event_type == CUSTOM {
            self.customs = few(u64::from(self.customs) + 1);
        }
        deltas.entry_duration_ms = match (had_entry, self.entry != NONE) {
            (true, _) => deltas.duration_ms,
            (false, true) => self.lasts(),
            (false, false) => 0,
        };
        deltas.bounces = i8::from(self.is_bounce()) - bounced;
        deltas
    }

    /// A page view: the path that the exit moves from.
    fn view(&mut self, event: &Event, names: &mut Names, is_new: &mut i8) -> String {
        let path = names.path(&event.path);
        *is_new = i8::from(!self.has_viewed(path, &event.path));
        if self.entry == NONE {
            self.entry = path;
        }
        if self.viewed == NONE {
            (self.viewed, self.viewed_at) = (path, Moment::of(event.time_ms));
            return String::new();
        }
        if self.viewed_at.milliseconds() > event.time_ms {
            // It came late: the exit stays where it is.
            if path != self.entry && path != self.viewed {
                self.remember(&event.path);
            }
            return event.path.clone();
        }
        let before = names.path_of(self.viewed).to_owned();
        if self.viewed != self.entry && self.viewed != path {
            self.remember(&before);
        }
        (self.viewed, self.viewed_at) = (path, Moment::of(event.time_ms));
        before
    }

    /// What a row of it says.
    pub(super) fn booked<'a>(&self, names: &'a Names) -> Booked<'a> {
        let (source, device, locale) = names.stamp_of(self.stamp);
        Booked {
            id: self.id,
            start: self.start.milliseconds(),
            day: self.day,
            entry_path: names.path_of(self.entry),
            source,
            device,
            locale,
        }
    }
}

/// One day of one website.
#[derive(Debug)]
pub(super) struct Held {
    /// Sessions, and free places among them.
    places: Places,
    free: u32,
    count: usize,
    /// The place of each owner's first session.
    owners: HashTable<u32>,
    /// Who was seen, where no session says so.
    others: HashSet<Somebody>,
    /// Whose last session went on over midnight, the day on which it did, and who they are then.
    pub(super) moved: HashMap<Somebody, (i32, Somebody)>,
    /// The ids of the day's events.
    pub(super) ids: Ids,
    /// Receipt time of the last event that used this day.
    pub(super) used_at: i64,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            places: Places::default(),
            free: NONE,
            count: 0,
            owners: HashTable::new(),
            others: HashSet::new(),
            moved: HashMap::new(),
            ids: Ids::default(),
            used_at: 0,
        }
    }
}

/// Owners are keyed hashes already, of which nobody can make two alike.
fn hash_of(owner: u64) -> u64 {
    owner.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Held {
    pub(super) fn of(day: Day, names: &mut Names) -> Self {
        let mut held =
            Self { others: day.visitors, moved: day.moved, used_at: day.used_at, ..Self::default() };
        for id in day.event_ids {
            held.ids.insert(id);
        }
        for (owner, sessions) in day.sessions {
            for session in sessions {
                held.push(Live::of(session, owner, names));
            }
        }
        held
    }

    /// How many sessions there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Notes that somebody was seen; whether that was the first time.
    pub(super) fn sees(&mut self, somebody: Somebody) -> bool {
        let is_known = self.all_of(somebody).any(|(_, live)| live.is_seen);
        !is_known && self.others.insert(somebody)
    }

    fn first_of(&self, somebody: Somebody) -> Option<u32> {
        let is_theirs = |at: &u32| self.places.get(*at).is_some_and(|live| live.is_of(somebody));
        self.owners.find(hash_of(somebody.id), is_theirs).copied()
    }

    /// Somebody's sessions, with their places.
    fn all_of(&self, somebody: Somebody) -> impl Iterator<Item = (u32, &Live)> {
        let mut next = self.first_of(somebody).unwrap_or(NONE);
        std::iter::from_fn(move || {
            let (at, live) = (next, self.places.get(next)?);
            next = live.next;
            Some((at, live))
        })
    }

    /// Which of somebody's sessions the instant belongs to: the latest one that it follows within the gap, else the
    /// earliest one that it precedes within the gap.
    pub(super) fn position(&self, somebody: Somebody, time: i64) -> Option<u32> {
        // Told apart by their times, not by their order, which is another one when the day was recalled.
        let near = || {
            self.all_of(somebody).filter(|(_, session)| {
                time <= session.last() + SESSION_GAP_MS && time >= session.first() - SESSION_GAP_MS
            })
        };
        near()
            .filter(|(_, session)| time >= session.first())
            .max_by_key(|(_, session)| (session.first(), session.last(), session.id))
            .or_else(|| near().min_by_key(|(_, session)| (session.first(), session.last(), session.id)))
            .map(|(at, _)| at)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Live> {
        self.places.get_mut(at)
    }

    /// Adds a session; its place.
    pub(super) fn push(&mut self, mut live: Live) -> u32 {
        let owner = Somebody { id: live.owner, is_bot: live.is_bot };
        live.is_seen = self.others.remove(&owner);
        self.count += 1;
        let at = if self.free == NONE { self.places.len() as u32 } else { self.free };
        let is_theirs = |at: &u32| self.places.get(*at).is_some_and(|live| live.is_of(owner));
        if let Some(first) = self.owners.find_mut(hash_of(owner.id), is_theirs) {
            live.next = std::mem::replace(first, at);
        } else {
            live.next = NONE;
        }
        let is_first = live.next == NONE;
        if let Some(place) = self.places.get_mut(at) {
            self.free = std::mem::replace(place, live).next;
        } else {
            self.places.push(live);
        }
        if is_first {
            let places = &self.places;
            let hash_at = |at: &u32| places.get(*at).map_or(0, |live| hash_of(live.owner));
            self.owners.insert_unique(hash_of(owner.id), at, hash_at);
        }
        at
    }

    /// Takes a session out, for the same person's key of another day. The owner was seen here all the same.
    pub(super) fn take(&mut self, owner: Somebody, at: u32, new_owner: Somebody) -> Option<Live> {
        let next = self.places.get(at)?.next;
        let first = self.first_of(owner)?;
        if first == at {
            let is_it = |place: &u32| *place == at;
            if let Ok(entry) = self.owners.find_entry(hash_of(owner.id), is_it) {
                if next == NONE {
                    entry.remove();
                } else {
                    *entry.into_mut() = next;
                }
            }
        } else {
            let before = self.all_of(owner).find(|(_, live)| live.next == at)?.0;
            self.places.get_mut(before)?.next = next;
        }
        let place = self.places.get_mut(at)?;
        let gap = Live { next: self.free, others: None, ..place.clone() };
        let mut taken = std::mem::replace(place, gap);
        self.free = at;
        self.count -= 1;
        if taken.is_seen {
            self.others.insert(owner);
        }
        (taken.owner, taken.is_bot) = (new_owner.id, new_owner.is_bot);
        Some(taken)
    }

    /// Takes the numbers of what is named from another collection of names.
    pub(super) fn rename(&mut self, old: &Names, new: &mut Names) {
        for live in self.places.iter_mut() {
            live.entry = new.adopt_path(old, live.entry);
            live.viewed = new.adopt_path(old, live.viewed);
            live.stamp = new.adopt_stamp(old, live.stamp);
        }
    }
}
