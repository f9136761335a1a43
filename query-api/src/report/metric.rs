//! What can be counted: one closed list, one line each.
//!
//! A metric is a fact of events (it belongs to the day of the event) or of sessions (to the day of the session's
//! start). Its expression depends on the table that is asked; `of_event` and `of_session` are what the query's text
//! calls "this row is an event of the scope" and "this row is a part of a session of the scope".
//! All expressions are `Int64`, so any list of metrics fits one row type, [`Counts`].

use crate::report::plan::Source;

/// Something that can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Events of any type.
    Events,
    /// Views of a page.
    Pageviews,
    /// Distinct pairs of session and path, each where the session first views the path.
    UniquePageviews,
    /// Distinct visitors with an event. Anonymous visitors are per day; a bot is a visitor of its own.
    UniqueVisitors,
    /// Sessions. By page: those that viewed it.
    Visits,
    /// Sessions of exactly one page view and no custom event. By page: of those that entered on it.
    Bounces,
    /// The sum of the sessions' durations, in milliseconds. By page: of those that entered on it.
    DurationMs,
    /// Sessions by the page that they entered on; those without a view have none.
    Entries,
    /// Sessions by the page that they left from; as many as there are entries.
    Exits,
}

/// Whether a metric belongs to events or to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// It belongs to the day of the event.
    OfEvents,
    /// It belongs to the day of the session's start.
    OfSessions,
}

/// The first event of a visitor's day is marked, so anonymous visitors of a whole website are a sum.
const VISITORS_BY_MARK: &str = "sumIf(visitors, of_event AND NOT is_identified)
           + toInt64(uniqExactIf((visitor_id, is_bot), of_event AND is_identified))";

/// The mark may be on an event that a filter leaves out, so visitors of a part of the events are counted.
const VISITORS_ONE_BY_ONE: &str =
    "toInt64(uniqExactIf((day, visitor_id, is_bot), of_event AND NOT is_identified)
           + uniqExactIf((visitor_id, is_bot), of_event AND is_identified))";

/// Anonymous visitors add up. Identified ones recur on many days: they have a rollup of their own, which is asked beside.
const ANONYMOUS_VISITORS: &str = "sum(visitors)";

/// A session enters once, on its first view, whose own page is the first that it leaves from.
const ENTRIES: &str = "toInt64(countIf(of_session AND event_type = 'page_view' AND prev_path = ''))";

impl Metric {
    /// The metric's expression over a table; `None` where the table cannot tell.
    pub(crate) fn over(self, source: Source) -> Option<&'static str> {
        match source {
            Source::SiteTotals => self.of_totals(),
            Source::EventTypes => (self == Self::Events).then_some("sum(events)"),
            Source::Devices | Source::Places | Source::Sources => self.of_sessions(),
            Source::Pages | Source::PageFacts => self.of_pages(),
            Source::Events => Some(self.of_events(VISITORS_BY_MARK)),
            Source::PartOfEvents => Some(self.of_events(VISITORS_ONE_BY_ONE)),
        }
    }

    fn of_events(self, visitors: &'static str) -> &'static str {
        match self {
            Self::Events => "toInt64(countIf(of_event))",
            Self::Pageviews => "toInt64(countIf(of_event AND event_type = 'page_view'))",
            Self::UniquePageviews => "sumIf(unique_pageview, of_event)",
            Self::UniqueVisitors => visitors,
            Self::Visits => "sumIf(visits, of_session)",
            Self::Bounces => "sumIf(bounces, of_session)",
            Self::DurationMs => "sumIf(duration_ms, of_session)",
            Self::Entries | Self::Exits => ENTRIES,
        }
    }

    fn of_totals(self) -> Option<&'static str> {
        Some(match self {
            Self::Events => "sum(events)",
            Self::Pageviews => "sum(pageviews)",
            Self::UniquePageviews => "sum(unique_pageviews)",
            Self::UniqueVisitors => ANONYMOUS_VISITORS,
            Self::Visits => "sum(visits)",
            Self::Bounces => "sum(bounces)",
            Self::DurationMs => "sum(duration_ms)",
            Self::Entries | Self::Exits => return None,
        })
    }

    fn of_sessions(self) -> Option<&'static str> {
        Some(match self {
            Self::Pageviews => "sum(pageviews)",
            Self::Visits => "sum(visits)",
            Self::Bounces => "sum(bounces)",
            Self::DurationMs => "sum(duration_ms)",
            Self::Events | Self::UniquePageviews | Self::UniqueVisitors | Self::Entries | Self::Exits => {
                return None;
            }
        })
    }

    fn of_pages(self) -> Option<&'static str> {
        Some(match self {
            Self::Pageviews => "sum(pageviews)",
            Self::UniquePageviews => "sum(unique_pageviews)",
            Self::Visits => "sum(visits)",
            Self::Bounces => "sum(entry_bounces)",
            Self::DurationMs => "sum(entry_duration_ms)",
            Self::Entries => "sum(entries)",
            Self::Exits => "sum(exits)",
            Self::Events | Self::UniqueVisitors => return None,
        })
    }

    /// What it is a fact of.
    pub fn fact(self) -> Fact {
        match self {
            Self::Events | Self::Pageviews | Self::UniquePageviews | Self::UniqueVisitors => Fact::OfEvents,
            Self::Visits | Self::Bounces | Self::DurationMs | Self::Entries | Self::Exits => Fact::OfSessions,
        }
    }
}

/// The counts of a list of metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    metrics: &'static [Metric],
    values: Vec<i64>,
}

impl Counts {
    /// What the store counted for the metrics, in their order.
    pub(crate) fn new(metrics: &'static [Metric], values: Vec<i64>) -> Self {
        Self { metrics, values }
    }

    /// How many counts there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The count of a metric; 0 for one that was not asked for.
    pub fn of(&self, metric: Metric) -> i64 {
        self.metrics
            .iter()
            .position(|asked| *asked == metric)
            .and_then(|at| self.values.get(at))
            .copied()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_by_metric() {
        let counts = Counts::new(&[Metric::Visits, Metric::Bounces], vec![2, 1]);
        assert_eq!((counts.of(Metric::Visits), counts.of(Metric::Bounces)), (2, 1));
        assert_eq!(counts.of(Metric::Pageviews), 0);
    }
}
