//! What answers are kept under, and what they weigh.

use chrono::NaiveDate;

use crate::report::breakdown::Group;
use crate::report::metric::{Counts, Metric};
use crate::report::scope::Scope;
use crate::report::{Breakdown, Funnel, List, Page, Series};

/// A question as it was resolved: all that an answer depends on but the data and the table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    Totals(Scope, Vec<Metric>),
    Series(Scope, Series),
    Breakdown(Scope, Breakdown, Page),
    Lists(Scope, &'static [List], &'static [Metric], Page),
    Funnel(Scope, Funnel),
}

impl Asked {
    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Totals(scope, _)
            | Self::Series(scope, _)
            | Self::Breakdown(scope, ..)
            | Self::Lists(scope, ..)
            | Self::Funnel(scope, _) => scope,
        }
    }

    /// The bytes of its texts.
    pub(super) fn bytes(&self) -> u64 {
        let own = match self {
            Self::Totals(..) | Self::Breakdown(..) | Self::Lists(..) => 0,
            Self::Series(_, series) => text_bytes(series.path.as_deref().unwrap_or_default()),
            Self::Funnel(_, funnel) => funnel.steps().iter().map(|step| text_bytes(step)).sum(),
        };
        own + self.scope().bytes()
    }
}

/// The bytes that a text takes in a list.
pub(crate) fn text_bytes(text: &str) -> u64 {
    (text.len() + size_of::<String>()) as u64
}

/// What can be kept.
pub(crate) trait Keepable: Clone + Send + Sync + 'static {
    /// The bytes of its texts and lists.
    fn bytes(&self) -> u64;
}

impl Keepable for Counts {
    fn bytes(&self) -> u64 {
        self.len() as u64 * 8
    }
}

impl Keepable for Vec<i64> {
    fn bytes(&self) -> u64 {
        self.len() as u64 * 8
    }
}

impl Keepable for Vec<(NaiveDate, Counts)> {
    fn bytes(&self) -> u64 {
        self.iter().map(|(_, counts)| size_of::<(NaiveDate, Counts)>() as u64 + counts.bytes()).sum()
    }
}

impl Keepable for Vec<Group> {
    fn bytes(&self) -> u64 {
        let bytes = |group: &Group| {
            let texts = group.key.iter().chain([&group.label]).map(|text| text_bytes(text)).sum::<u64>();
            size_of::<Group>() as u64 + texts + group.counts.bytes()
        };
        self.iter().map(bytes).sum()
    }
}

impl Keepable for Vec<Vec<Group>> {
    fn bytes(&self) -> u64 {
        self.iter().map(Keepable::bytes).sum()
    }
}
