//! How fast reports are answered: beside the same answers from the events and from a rollup of distinct-count states.
//!
//! * [`reports`]: which reports, and the other ways to their answers,
//! * [`stores`]: the same events in one database after another: merged, with many small parts, and while more come in,
//! * [`ask`]: asks the API over HTTP and the store directly, and checks that both say the same,
//! * [`log`]: what the server says each answer took,
//! * [`tables`]: what was measured, for readers.

pub mod ask;
pub mod log;
pub mod reports;
pub mod stores;
pub mod tables;

/// A day's milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// 2026-01-05, a Monday, in days since 1970-01-01.
pub const FIRST_DAY: u16 = 20_458;

/// Websites that are asked about, by their rank in [`crate::world::sites`].
pub const SITES: [(&str, usize); 3] = [("busy", 0), ("named", 2), ("small", crate::world::SITES - 1)];

/// What an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The API, as it is: the smallest table that answers exactly.
    Api,
    /// The API with `FOOTFALL_ROLLUPS=off`: the events and their deltas.
    ApiOfEvents,
    /// A straightforward query of the events.
    Raw,
    /// A rollup of distinct-count states.
    States,
    /// Nothing but reading and decompressing.
    Decompress,
}

/// How the events lie in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// In as few parts as there can be.
    Merged,
    /// The last day in many small parts.
    Parts,
    /// As merged, and more comes in meanwhile.
    Inserts,
}

impl State {
    /// The state in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Merged => "merged",
            Self::Parts => "unmerged parts",
            Self::Inserts => "under inserts",
        }
    }
}

/// What was asked: which report, of which website, of how many events, in which state, from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    /// About how many events the store had.
    pub events: u64,
    /// How they lay.
    pub state: State,
    /// The place of the report in [`reports::REPORTS`].
    pub report: usize,
    /// The place of the website in [`SITES`].
    pub site: usize,
    /// What the answer came from.
    pub way: Way,
}
