//! Table choice: the smallest table that answers exactly.

use crate::report::dimension::Dimension;
use crate::report::filter::Property;
use crate::report::metric::{Fact, Metric};
use crate::report::scope::Scope;

/// The rollup of identified visitors, which answers nothing alone.
pub(crate) const IDENTIFIED: &str = "identified";

/// A table that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The rollup of a whole website by hour.
    SiteTotals,
    /// The rollup of events by type and name.
    EventTypes,
    /// The rollup of sessions by what they were made with.
    Devices,
    /// The rollup of sessions by where they were made.
    Places,
    /// The rollup of sessions by where they came from.
    Sources,
    /// The rollup of pages.
    Pages,
    /// All events of a website.
    Events,
    /// Events taken apart by the pages that they say something of, as the rollup of pages does.
    PageFacts,
    /// Some events of a website: those that a filter or a dimension picks.
    PartOfEvents,
}

impl Source {
    /// All of them, the smallest first.
    pub(crate) const ALL: [Self; 9] = [
        Self::SiteTotals,
        Self::EventTypes,
        Self::Devices,
        Self::Places,
        Self::Sources,
        Self::Pages,
        Self::Events,
        Self::PageFacts,
        Self::PartOfEvents,
    ];

    /// The source's name, for headers and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SiteTotals => "rollup:site_totals",
            Self::EventTypes => "rollup:event_types",
            Self::Devices => "rollup:devices",
            Self::Places => "rollup:places",
            Self::Sources => "rollup:sources",
            Self::Pages => "rollup:pages",
            Self::Events | Self::PageFacts | Self::PartOfEvents => "events",
        }
    }

    /// The rollup that it is, if it is one.
    pub(crate) const fn rollup(self) -> Option<&'static str> {
        match self {
            Self::SiteTotals => Some("site_totals"),
            Self::EventTypes => Some("event_types"),
            Self::Devices => Some("devices"),
            Self::Places => Some("places"),
            Self::Sources => Some("sources"),
            Self::Pages => Some("pages"),
            Self::Events | Self::PageFacts | Self::PartOfEvents => None,
        }
    }

    /// Whether it has a few rows per website and day, whatever the website is like.
    pub(crate) const fn is_small(self) -> bool {
        matches!(self, Self::SiteTotals | Self::EventTypes | Self::Devices)
    }

    /// Whether it has some of these metrics' visitors and not the identified ones.
    pub(crate) fn lacks_identified(self, metrics: &[Metric]) -> bool {
        self == Self::SiteTotals && metrics.contains(&Metric::UniqueVisitors)
    }

    /// Which properties a rollup has columns of.
    const fn properties(self) -> &'static [Property] {
        use Property::{
            Browser, Channel, City, ContentGroup, Country, DeviceType, EventName, Os, Page, Referrer, Region,
            Screen, UtmCampaign, UtmContent, UtmMedium, UtmSource, UtmTerm,
        };
        match self {
            Self::EventTypes => &[EventName],
            Self::Devices => &[DeviceType, Browser, Os, Screen],
            Self::Places => &[Country, Region, City],
            Self::Sources => &[Channel, Referrer, UtmSource, UtmMedium, UtmCampaign, UtmTerm, UtmContent],
            Self::Pages => &[Page, ContentGroup],
            Self::SiteTotals | Self::Events | Self::PageFacts | Self::PartOfEvents => &[],
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

impl std::str::FromStr for Prefer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on" => Ok(Self::Auto),
            "off" => Ok(Self::EventsOnly),
            _ => Err("expected on or off"),
        }
    }
}

/// Into what the counts are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Division {
    /// Into nothing.
    Whole,
    /// Into days.
    Days,
    /// Into the days of one page.
    DaysOfPage,
    /// By a dimension.
    By(Dimension),
}

impl Division {
    fn properties(self) -> &'static [Property] {
        match self {
            Self::Whole | Self::Days => &[],
            Self::DaysOfPage => &[Property::Page],
            Self::By(dimension) => dimension.properties(),
        }
    }

    /// Whether metrics are meant "by page": see [`Metric`].
    fn is_by_page(self) -> bool {
        matches!(self, Self::DaysOfPage | Self::By(Dimension::Page))
    }
}

/// What has to be answered, as far as the choice of a table depends on it.
pub(crate) struct Question<'s> {
    pub(crate) scope: &'s Scope,
    pub(crate) metrics: &'s [Metric],
    pub(crate) division: Division,
}

impl Question<'_> {
    /// Whether a table gives exactly the numbers that are asked for.
    pub(crate) fn is_answered_by(&self, source: Source, prefer: Prefer) -> bool {
        if !self.metrics.iter().all(|metric| metric.over(source).is_some()) {
            return false;
        }
        match source {
            Source::Events => {
                // The mark on a visitor's first event of the day says nothing of a part of the day or of its events.
                self.division == Division::Whole && !self.scope.is_filtered() && self.scope.zone.is_none()
            }
            Source::PageFacts => self.division.is_by_page(),
            Source::PartOfEvents => !self.division.is_by_page() || self.is_only(Fact::OfEvents),
            rollup => prefer == Prefer::Auto && self.is_answered_by_rollup(rollup),
        }
    }

    /// Whether some of the website's rows of these days are wanted, and others not.
    pub(crate) fn picks(&self) -> bool {
        self.scope.is_filtered() || self.division == Division::DaysOfPage
    }

    fn is_answered_by_rollup(&self, rollup: Source) -> bool {
        // A rollup's days are the website's own.
        if self.scope.zone.is_some() {
            return false;
        }
        let has = |property: &Property| rollup.properties().contains(property);
        if !(self.division.properties().iter().all(has) && self.scope.properties().all(|given| has(&given))) {
            return false;
        }
        match rollup {
            // Identified visitors recur: their rollup is asked for a whole range.
            Source::SiteTotals => {
                self.division == Division::Whole || !self.metrics.contains(&Metric::UniqueVisitors)
            }
            // Which session viewed a page that a filter names, it does not know; and summed over pages, sessions would
            // be counted once for each page.
            Source::Pages => {
                let is_of_views = self
                    .metrics
                    .iter()
                    .all(|metric| matches!(metric, Metric::Pageviews | Metric::UniquePageviews));
                let adds_up = |metric: &Metric| {
                    !matches!(metric, Metric::Visits | Metric::Bounces | Metric::DurationMs)
                };
                (is_of_views || !self.scope.is_filtered())
                    && (self.division.is_by_page() || self.metrics.iter().all(adds_up))
            }
            _ => true,
        }
    }

    fn is_only(&self, fact: Fact) -> bool {
        self.metrics.iter().all(|metric| metric.fact() == fact)
    }

    /// The rollups that a source needs to be whole.
    pub(crate) fn rollups(&self, source: Source) -> impl Iterator<Item = &'static str> + use<> {
        let identified = source.lacks_identified(self.metrics).then_some(IDENTIFIED);
        source.rollup().into_iter().chain(identified)
    }
}
