//! The stream's record: what a collector appends and a loader reads. The fields are described in `event.proto`.

use prost::Message;
use thiserror::Error;
use uuid::Uuid;

#[allow(missing_docs, clippy::pedantic, unreachable_pub)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/footfall.rs"));
}

pub use generated::{Event, Id};

/// The version of the record that this build writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// The type of an event that is a view of a page.
pub const PAGE_VIEW: &str = "page_view";

/// The type of an event with a name of its own.
pub const CUSTOM: &str = "custom";

/// The published event types. Any other is a custom event of that name.
pub const TYPES: [&str; 7] =
    [PAGE_VIEW, "close_tab", "scroll_25", "scroll_50", "scroll_75", "outbound_link", CUSTOM];

/// Why bytes are not an event.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The bytes are not a record at all.
    #[error("the record cannot be decoded")]
    Malformed(#[from] prost::DecodeError),
    /// The record was written by a newer release.
    #[error("the record has version {0}, this release reads up to {VERSION}")]
    Newer(u32),
    /// A field that every event has is missing.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// A field has a value that no collector writes and that no column could hold as it is.
    #[error("the record's {0} is out of range")]
    OutOfRange(&'static str),
}

/// The first instant that no row can have: hours of totals are `DateTime`, 32 bits of seconds since 1970.
const TIME_ENDS_MS: i64 = (1 << 32) * 1000;

const DAY_MS: i64 = 24 * 3600 * 1000;

impl Event {
    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads a record and checks what a loader relies on: every event that comes out has a row that says the same, and
    /// the store has no reason of its own to refuse it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let event = Self::decode(bytes)?;
        if event.version > VERSION {
            return Err(DecodeError::Newer(event.version));
        }
        if event.version == 0 {
            return Err(DecodeError::Missing("version"));
        }
        if event.website_id().is_nil() {
            return Err(DecodeError::Missing("website"));
        }
        if event.event_type.is_empty() {
            return Err(DecodeError::Missing("event type"));
        }
        if !TYPES.contains(&event.event_type.as_str()) {
            return Err(DecodeError::OutOfRange("event type"));
        }
        if event.visitor_id == 0 {
            return Err(DecodeError::Missing("visitor"));
        }
        let times = 0..TIME_ENDS_MS;
        if !times.contains(&event.time_ms) {
            return Err(DecodeError::OutOfRange("time"));
        }
        if !times.contains(&event.received_ms) {
            return Err(DecodeError::OutOfRange("time of receipt"));
        }
        // A calendar is at most a day away from that of UTC.
        let days_apart = i64::from(event.day) - event.time_ms / DAY_MS;
        if !(-1..=1).contains(&days_apart) || u16::try_from(event.day).is_err() {
            return Err(DecodeError::OutOfRange("day"));
        }
        Ok(event)
    }

    /// Reads what can be read of a record that may be no event: of a newer release, or out of range.
    pub fn of_doubtful_bytes(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }

    /// The website it belongs to; the nil UUID when the record names none.
    pub fn website_id(&self) -> Uuid {
        self.website.map(Uuid::from).unwrap_or_default()
    }

    /// Whose session it belongs to.
    pub fn person_key(&self) -> u64 {
        if self.person == 0 { self.visitor_id } else { self.person }
    }

    /// The day that `previous_person` is of: in all zones the day before, but where the date line was moved over a place.
    pub fn day_before(&self) -> i32 {
        // Never a later one, whatever the record says: days are followed from one to the next.
        if self.previous_day == 0 { self.day - 1 } else { self.previous_day.min(self.day - 1) }
    }

    /// True when it is a view of a page.
    pub fn is_page_view(&self) -> bool {
        self.event_type == PAGE_VIEW
    }

    /// True when it was held to be a bot's.
    pub fn is_bot(&self) -> bool {
        !self.bot_reason.is_empty()
    }
}

impl From<Uuid> for Id {
    fn from(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self { high, low }
    }
}

impl From<Id> for Uuid {
    fn from(id: Id) -> Self {
        Self::from_u64_pair(id.high, id.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            version: VERSION,
            website: Some(Uuid::from_u128(7).into()),
            event_type: PAGE_VIEW.into(),
            path: "/ä".into(),
            visitor_id: 9,
            day: 20_514,
            time_ms: 20_514 * DAY_MS + 5,
            received_ms: 20_514 * DAY_MS + 6,
            ..Event::default()
        }
    }

    #[test]
    fn an_event_survives_the_stream() {
        let event = event();
        assert_eq!(Event::from_bytes(&event.to_bytes()).unwrap(), event);
        assert_eq!(event.website_id(), Uuid::from_u128(7));
    }

    #[test]
    fn a_newer_record_is_refused_and_not_guessed() {
        let event = Event { version: VERSION + 1, ..event() };
        assert!(matches!(Event::from_bytes(&event.to_bytes()), Err(DecodeError::Newer(_))));
    }

    #[test]
    fn an_event_that_no_row_could_tell_as_it_is_is_refused() {
        let refused = |event: Event| Event::from_bytes(&event.to_bytes()).unwrap_err().to_string();
        let nil = Some(Uuid::nil().into());
        assert_eq!(refused(Event { website: nil, ..event() }), "the record has no website");
        assert_eq!(refused(Event { visitor_id: 0, ..event() }), "the record has no visitor");
        let other = Event { event_type: "page_viev".into(), ..event() };
        assert_eq!(refused(other), "the record's event type is out of range");
        for time_ms in [-1, i64::MIN, TIME_ENDS_MS, i64::MAX] {
            assert_eq!(refused(Event { time_ms, ..event() }), "the record's time is out of range");
            let received = Event { received_ms: time_ms, ..event() };
            assert_eq!(refused(received), "the record's time of receipt is out of range");
        }
        for day in [-1, 20_512, 20_516, i32::from(u16::MAX) + 1, i32::MAX, i32::MIN] {
            assert_eq!(refused(Event { day, ..event() }), "the record's day is out of range");
        }
        let earliest = Event { day: 0, time_ms: 0, received_ms: 0, ..event() };
        assert!(Event::from_bytes(&earliest.to_bytes()).is_ok());
        let before = Event { day: -1, time_ms: 0, ..event() };
        assert_eq!(refused(before), "the record's day is out of range");
        let last = TIME_ENDS_MS - 1;
        let latest = Event { day: 49_710, time_ms: last, received_ms: last, ..event() };
        assert!(Event::from_bytes(&latest.to_bytes()).is_ok());
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        for bytes in [&b"\xff\xff\xff"[..], b"", b"{\"a\":1}"] {
            assert!(Event::from_bytes(bytes).is_err());
        }
    }
}
