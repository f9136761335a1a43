//! What TinyTrail's reports look like, beyond the summary and the pages.

use chrono::NaiveDate;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::report::breakdown::Group;
use crate::report::{Counts, Days, Funnel, Live, Metric};
use crate::surfaces::numbers::Decimal;
use crate::surfaces::tinytrail::csv::Cell;
use crate::surfaces::tinytrail::params::Paging;
use crate::surfaces::tinytrail::questions::{GroupBy, Shown};
use crate::surfaces::tinytrail::views::PeriodView;

/// The names of a row's key and of its count.
#[derive(Clone, Copy)]
pub(super) struct Names {
    key: &'static [&'static str],
    count: &'static str,
}

/// The names of traffic sources.
pub(super) fn names_of_sources(by: GroupBy) -> Names {
    let key: &[&str] = match by {
        GroupBy::Channel => &["channel"],
        GroupBy::Domain => &["referrer"],
        GroupBy::Utm => &["utmSource", "utmMedium", "utmCampaign"],
    };
    Names { key, count: "visits" }
}

pub(super) const CUSTOM_EVENTS: Names = Names { key: &["name"], count: "count" };
pub(super) const LANDING_PAGES: Names = Names { key: &["path"], count: "entries" };
pub(super) const EXIT_PAGES: Names = Names { key: &["path"], count: "exits" };
pub(super) const DEVICE_TYPES: Names = Names { key: &["deviceType"], count: "visits" };
pub(super) const BROWSERS: Names = Names { key: &["browserFamily"], count: "visits" };
pub(super) const OS_FAMILIES: Names = Names { key: &["osFamily"], count: "visits" };
pub(super) const SCREENS: Names = Names { key: &["bucket"], count: "visits" };
const LIVE_PAGES: Names = Names { key: &["path"], count: "visitors" };
const LIVE_TYPES: Names = Names { key: &["eventType"], count: "count" };

impl Names {
    /// The columns of a table.
    pub(super) fn columns(self) -> Vec<&'static str> {
        self.key.iter().copied().chain([self.count]).collect()
    }
}

/// A row of a list: what is counted, and its count, each under its published name.
pub(super) struct RowView {
    names: Names,
    key: Vec<String>,
    count: i64,
}

impl RowView {
    pub(super) fn new(names: Names, group: Group, metric: Metric) -> Self {
        Self { names, count: group.counts.of(metric), key: group.key }
    }

    /// The rows of a breakdown by one metric.
    pub(super) fn list(names: Names, groups: Vec<Group>, metric: Metric) -> Vec<Self> {
        groups.into_iter().map(|group| Self::new(names, group, metric)).collect()
    }

    fn counted(names: Names, rows: Vec<(String, i64)>) -> Vec<Self> {
        rows.into_iter().map(|(key, count)| Self { names, key: vec![key], count }).collect()
    }

    pub(super) fn cells(self) -> Vec<Cell> {
        let count = Cell::number(&self.count);
        self.key.into_iter().map(Cell::Text).chain([count]).collect()
    }
}

impl Serialize for RowView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.key.len() + 1))?;
        for (name, value) in self.names.key.iter().zip(&self.key) {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry(self.names.count, &self.count)?;
        map.end()
    }
}

/// The data of the devices.
#[derive(Serialize)]
pub(super) struct DevicesView {
    pub(super) period: PeriodView,
    pub(super) device_types: Vec<RowView>,
    pub(super) browsers: Vec<RowView>,
    pub(super) os_families: Vec<RowView>,
    pub(super) screen_resolutions: Vec<RowView>,
}

/// The data of the flow.
#[derive(Serialize)]
pub(super) struct FlowView {
    period: PeriodView,
    page: u64,
    per_page: u64,
    landing_pages: Vec<RowView>,
    exit_pages: Vec<RowView>,
}

impl FlowView {
    pub(super) fn new(days: Days, paging: Paging, landings: Vec<RowView>, exits: Vec<RowView>) -> Self {
        Self {
            period: days.into(),
            page: paging.page,
            per_page: paging.per_page,
            landing_pages: landings,
            exit_pages: exits,
        }
    }
}

/// The data of a funnel.
#[derive(Serialize)]
pub(super) struct FunnelView {
    period: PeriodView,
    pub(super) funnel: Vec<StepView>,
}

/// A step of a funnel.
#[derive(Serialize)]
pub(super) struct StepView {
    step: String,
    sessions: i64,
    conversion_rate: Decimal,
}

impl FunnelView {
    /// The first step converts all of its sessions, each other one those of the step before it.
    pub(super) fn new(days: Days, funnel: &Funnel, sessions: &[i64]) -> Self {
        let before = [None].into_iter().chain(sessions.iter().copied().map(Some));
        let steps =
            funnel.steps().iter().zip(sessions).zip(before).map(|((step, sessions), before)| StepView {
                step: step.clone(),
                sessions: *sessions,
                conversion_rate: match before {
                    None => Decimal::whole(100),
                    Some(before) => Decimal::percentage(*sessions, before, 2),
                },
            });
        Self { period: days.into(), funnel: steps.collect() }
    }
}

impl StepView {
    pub(super) const COLUMNS: [&str; 3] = ["step", "sessions", "conversion_rate"];

    pub(super) fn cells(self) -> Vec<Cell> {
        vec![Cell::Text(self.step), Cell::number(&self.sessions), Cell::number(&self.conversion_rate)]
    }
}

/// The data of what happens just now.
#[derive(Serialize)]
pub(super) struct RealtimeView {
    active_visitors: i64,
    pub(super) top_pages: Vec<RowView>,
    events_by_type: Vec<RowView>,
}

impl RealtimeView {
    pub(super) fn columns() -> Vec<&'static str> {
        LIVE_PAGES.columns()
    }
}

impl From<Live> for RealtimeView {
    fn from(live: Live) -> Self {
        Self {
            active_visitors: live.visitors,
            top_pages: RowView::counted(LIVE_PAGES, live.pages),
            events_by_type: RowView::counted(LIVE_TYPES, live.types),
        }
    }
}

/// The data of a series.
#[derive(Serialize)]
pub(super) struct TimeseriesView {
    period: PeriodView,
    metric: &'static str,
    path: String,
    pub(super) series: Vec<PointView>,
}

/// A day of a series.
#[derive(Serialize)]
pub(super) struct PointView {
    date: String,
    value: Decimal,
}

impl TimeseriesView {
    pub(super) fn new(
        days: Days,
        shown: Shown,
        path: Option<String>,
        series: Vec<(NaiveDate, Counts)>,
    ) -> Self {
        let of_page = path.is_some();
        let point = |(day, counts): (NaiveDate, Counts)| PointView {
            date: day.to_string(),
            value: judge(shown, of_page, &counts),
        };
        Self {
            period: days.into(),
            metric: shown.word(),
            path: path.unwrap_or_else(|| "*".to_owned()),
            series: series.into_iter().map(point).collect(),
        }
    }
}

fn judge(shown: Shown, of_page: bool, counts: &Counts) -> Decimal {
    let sessions = counts.of(if of_page { Metric::Entries } else { Metric::Visits });
    match shown {
        Shown::Visits => Decimal::whole(counts.of(Metric::Visits)),
        Shown::Pageviews => Decimal::whole(counts.of(Metric::Pageviews)),
        Shown::UniquePageviews => Decimal::whole(counts.of(Metric::UniquePageviews)),
        Shown::BounceRate => Decimal::percentage(counts.of(Metric::Bounces), sessions, 1),
        Shown::AvgSessionDuration => {
            Decimal::ratio(i128::from(counts.of(Metric::DurationMs)), i128::from(sessions) * 1000, 0)
        }
        Shown::LandingPageEntries => Decimal::whole(counts.of(Metric::Entries)),
        Shown::ExitPageExits => Decimal::whole(counts.of(Metric::Exits)),
    }
}

impl PointView {
    pub(super) const COLUMNS: [&str; 2] = ["date", "value"];

    pub(super) fn cells(self) -> Vec<Cell> {
        vec![Cell::Number(self.date), Cell::number(&self.value)]
    }
}
