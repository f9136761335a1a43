//! Erasure: a deleted website, days beyond a website's retention, and a visitor who asks for it leave the store for good.
//!
//! What is in the store is one half; the stream may hold more of it, and so may an insert that is on its way. So an
//! erasure begins with a new epoch (see [`crate::epochs`]): from it on every loader drops such events ([`Erased`]), and a
//! batch that was planned before is made again as it was. When all partitions have their checkpoints, no row of it can
//! follow, and the rows go: from the events, from every table of every rollup, from claims and from dead letters.
//! They are counted again afterwards; when nothing is left, that is written down, here and in the audit log.
//!
//! The bytes go too, not only the rows: parts are written anew without them (`ALTER … DELETE`, waited for), and the store
//! removes the parts before them after `old_parts_lifetime`, which is eight minutes. What is killed in between begins again
//! with the next upkeep and finds less to do.
//!
//! * A **website** that the directory has marked as deleted is an erasure by itself; so are websites and users of an
//!   account that is.
//! * **Days** before the horizon of a website's retention: all events of these days, and all events of sessions that began on
//!   them, so that no session is cut in two and every table agrees. Events that come for such days later are
//!   dropped, until the website's retention is prolonged. A visitor of the horizon's day whose first event belonged to
//!   such a session is not among that day's visitors any more.
//! * A **visitor**: all events of a visitor's id, and of those that sessions tie to it (an anonymous visitor has another id
//!   after midnight). Only a hash of the id is written down. Loaders stand still meanwhile, and the rollups are made equal
//!   to the events that stay.

use std::collections::{HashMap, HashSet};

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::event::Event;
use crate::rows::{Day, Millis};

mod remove;
mod retain;
mod visitor;
mod work;

/// What an erasure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// All of a website.
    Website,
    /// A website's days before one.
    Days,
    /// One visitor of a website.
    Visitor,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        [Self::Website, Self::Days, Self::Visitor].into_iter().find(|kind| kind.as_str() == text)
    }

    /// The kind as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Website => "website",
            Self::Days => "days",
            Self::Visitor => "visitor",
        }
    }
}

/// One erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its id; a website's own for a whole website.
    pub id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// Of which website.
    pub website_id: Uuid,
    /// A visitor's [`visitor_hash`]; else empty.
    pub visitor: String,
    /// Days: the first day that stays. Visitor: events received before this instant, in milliseconds.
    pub before: i64,
    /// From which epoch on loaders drop; 0: it has not begun.
    pub epoch: u32,
}

#[derive(Row, Deserialize)]
struct ErasureRow {
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    kind: String,
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    visitor: String,
    before: i64,
    epoch: u32,
}

/// Under which hash an erased visitor is remembered: the id itself is not kept.
pub fn visitor_hash(website_id: Uuid, visitor_id: u64) -> String {
    crate::hexadecimal(&Sha256::digest(format!("{website_id}/{visitor_id}").as_bytes()))
}

/// Asks for the erasure of a visitor: of what is received before `before`. Upkeep does it. Returns the erasure's id.
pub async fn request_visitor(
    client: &Client,
    website_id: Uuid,
    visitor_id: u64,
    before: Millis,
) -> Result<Uuid, clickhouse::error::Error> {
    let erasure = Erasure {
        id: Uuid::new_v4(),
        kind: Kind::Visitor,
        website_id,
        visitor: visitor_hash(website_id, visitor_id),
        before,
        epoch: 0,
    };
    record(client, &erasure, "requested").await?;
    Ok(erasure.id)
}

/// How an erasure stands: `requested`, `begun` or `done`; `None`: there is none of this id and website.
pub async fn state(
    client: &Client,
    website_id: Uuid,
    id: Uuid,
) -> Result<Option<String>, clickhouse::error::Error> {
    client
        .query(include_str!("erase/state.sql"))
        .param("id", id.to_string())
        .param("website", website_id.to_string())
        .fetch_optional::<String>()
        .await
}

/// How many events of a website are stored.
pub async fn events_of(client: &Client, website_id: Uuid) -> Result<u64, clickhouse::error::Error> {
    let query = client.query("SELECT count() FROM events WHERE website_id = {website:UUID}");
    query.param("website", website_id.to_string()).fetch_one::<u64>().await
}

/// Marks what belongs to a deleted account, and keys that are bound to a deleted website, as deleted too. Safe to repeat.
pub async fn bury_orphans(client: &Client) -> Result<(), clickhouse::error::Error> {
    for sql in [include_str!("erase/orphan_websites.sql"), include_str!("erase/orphan_users.sql")] {
        client.query(sql).with_setting("async_insert", "0").execute().await?;
    }
    Ok(())
}

async fn record(client: &Client, erasure: &Erasure, state: &str) -> Result<(), clickhouse::error::Error> {
    client
        .query(include_str!("erase/record.sql"))
        .param("id", erasure.id.to_string())
        .param("kind", erasure.kind.as_str())
        .param("website", erasure.website_id.to_string())
        .param("visitor", &erasure.visitor)
        .param("before", erasure.before)
        .param("epoch", erasure.epoch)
        .param("state", state)
        .with_setting("async_insert", "0")
        .execute()
        .await
}

/// All erasures that are not done.
async fn open(client: &Client) -> Result<Vec<Erasure>, clickhouse::error::Error> {
    let rows = client.query(include_str!("erase/open.sql")).fetch_all::<ErasureRow>().await?;
    let erasure = |row: ErasureRow| {
        Some(Erasure {
            kind: Kind::parse(&row.kind)?,
            id: row.id,
            website_id: row.website_id,
            visitor: row.visitor,
            before: row.before,
            epoch: row.epoch,
        })
    };
    Ok(rows.into_iter().filter_map(erasure).collect())
}

/// What loaders drop in an epoch. It never changes for an epoch that is taken up, so a batch that is made again is made as
/// before.
#[derive(Debug, Clone, Default)]
pub struct Erased {
    websites: HashSet<Uuid>,
    horizons: HashMap<Uuid, i64>,
    visitors: HashMap<Uuid, HashMap<String, Millis>>,
}

#[derive(Row, Deserialize)]
struct ErasedRow {
    kind: String,
    #[serde(with = "clickhouse::serde::uuid")]
    website_id: Uuid,
    visitor: String,
    until: i64,
}

impl Erased {
    /// What the erasures up to an epoch say.
    pub async fn of_epoch(client: &Client, epoch: u32) -> Result<Self, clickhouse::error::Error> {
        let rows = client
            .query(include_str!("erase/erased.sql"))
            .param("epoch", epoch)
            .fetch_all::<ErasedRow>()
            .await?;
        let mut erased = Self::default();
        for row in rows {
            match Kind::parse(&row.kind) {
                Some(Kind::Website) => drop(erased.websites.insert(row.website_id)),
                Some(Kind::Days) => drop(erased.horizons.insert(row.website_id, row.until)),
                Some(Kind::Visitor) => {
                    erased.visitors.entry(row.website_id).or_default().insert(row.visitor, row.until);
                }
                None => {}
            }
        }
        Ok(erased)
    }

    /// Why an event is dropped, in one word; `None`: it is not.
    pub fn reason(&self, event: &Event) -> Option<&'static str> {
        let website = event.website_id();
        if self.websites.contains(&website) {
            Some("deleted_website")
        } else if i64::from(event.day) < i64::from(self.horizon(website)) {
            Some("beyond_retention")
        } else if self.has_visitor(website, event.visitor_id, event.received_ms)
            || event.person != 0 && self.has_visitor(website, event.person, event.received_ms)
        {
            Some("erased_visitor")
        } else {
            None
        }
    }

    /// The first day of a website that stays; 0: all.
    pub fn horizon(&self, website: Uuid) -> Day {
        let horizon = self.horizons.get(&website).copied().unwrap_or_default();
        Day::try_from(horizon.max(0)).unwrap_or(Day::MAX)
    }

    /// Whether a record that is no event for this release is one of what is erased, as far as its bytes tell.
    pub fn has_record(&self, bytes: &[u8]) -> bool {
        if self.websites.is_empty() && self.visitors.is_empty() {
            return false;
        }
        Event::of_doubtful_bytes(bytes).is_some_and(|event| {
            self.websites.contains(&event.website_id())
                || self.has_visitor(event.website_id(), event.visitor_id, event.received_ms)
        })
    }

    fn has_visitor(&self, website: Uuid, visitor: u64, received: Millis) -> bool {
        let Some(visitors) = self.visitors.get(&website) else { return false };
        visitors.get(&visitor_hash(website, visitor)).is_some_and(|before| received < *before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(website: Uuid, day: i32, visitor_id: u64, received_ms: i64) -> Event {
        Event { website: Some(website.into()), day, visitor_id, received_ms, ..Event::default() }
    }

    #[test]
    fn an_event_is_dropped_for_the_first_reason_that_holds() {
        let [gone, kept, other] = [1, 2, 3].map(Uuid::from_u128);
        let erased = Erased {
            websites: HashSet::from([gone]),
            horizons: HashMap::from([(kept, 100)]),
            visitors: HashMap::from([(kept, HashMap::from([(visitor_hash(kept, 9), 5000)]))]),
        };
        assert_eq!(erased.reason(&event(gone, 200, 1, 1)), Some("deleted_website"));
        assert_eq!(erased.reason(&event(kept, 99, 1, 1)), Some("beyond_retention"));
        assert_eq!(erased.reason(&event(kept, 100, 1, 1)), None);
        assert_eq!(erased.reason(&event(kept, 100, 9, 4999)), Some("erased_visitor"));
        assert_eq!(erased.reason(&event(kept, 100, 9, 5000)), None, "what comes later is somebody new");
        assert_eq!(erased.reason(&event(other, 1, 9, 1)), None);
    }

    #[test]
    fn the_hash_of_a_visitor_tells_neither_the_visitor_nor_the_website() {
        let website = Uuid::from_u128(7);
        assert_eq!(visitor_hash(website, 42).len(), 64);
        assert_ne!(visitor_hash(website, 42), visitor_hash(Uuid::from_u128(8), 42));
    }
}
