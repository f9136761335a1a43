//! Table choice: the smallest table that answers exactly.

use crate::report::scope::Scope;

/// A table that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The rollup of a whole website by hour.
    SiteTotals,
    /// All events of a website.
    Events,
    /// Some of its events: those that a filter or a dimension picks.
    PartOfEvents,
}

impl Source {
    /// The source's name, for headers and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SiteTotals => "rollup:site_totals",
            Self::Events | Self::PartOfEvents => "events",
        }
    }

    /// The rollup that it is, if it is one.
    pub(crate) const fn rollup(self) -> Option<&'static str> {
        match self {
            Self::SiteTotals => Some("site_totals"),
            Self::Events | Self::PartOfEvents => None,
        }
    }

    /// The events that a rollup sums up.
    pub(crate) const fn of_events(self) -> Self {
        match self {
            Self::SiteTotals | Self::Events => Self::Events,
            Self::PartOfEvents => Self::PartOfEvents,
        }
    }
}

/// Which tables may be asked. Both ways give equal numbers, and tests say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefer {
    /// The smallest that answers exactly.
    #[default]
    Auto,
    /// The events, whatever they cost.
    EventsOnly,
}

/// The table for the totals of a scope.
pub(crate) fn totals(scope: &Scope, prefer: Prefer) -> Source {
    match (&scope.content_group, prefer) {
        // The rollup does not know pages.
        (Some(_), _) => Source::PartOfEvents,
        (None, Prefer::EventsOnly) => Source::Events,
        (None, Prefer::Auto) => Source::SiteTotals,
    }
}
