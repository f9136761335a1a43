//! What TinyTrail's answers look like: envelopes, names, rates and rounding.

use chrono::{DateTime, SecondsFormat};
use directory::Website;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::report::breakdown::Group;
use crate::report::{Counts, Days, Metric};
use crate::surfaces::numbers::Decimal;
use crate::surfaces::tinytrail::csv::Cell;
use crate::surfaces::tinytrail::params::Paging;

/// `{"start":"2026-02-23","end":"2026-03-01"}`
#[derive(Serialize)]
pub(super) struct PeriodView {
    start: String,
    end: String,
}

impl From<Days> for PeriodView {
    fn from(days: Days) -> Self {
        Self { start: days.start().to_string(), end: days.end().to_string() }
    }
}

/// What a summary counts.
pub(super) const SUMMARY: &[Metric] =
    &[Metric::Visits, Metric::UniqueVisitors, Metric::Pageviews, Metric::Bounces, Metric::DurationMs];

/// The data of a summary.
#[derive(Serialize)]
pub(super) struct SummaryView {
    period: PeriodView,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<String>,
    #[serde(serialize_with = "in_order")]
    metrics: [(&'static str, MetricView); 5],
}

#[derive(Serialize)]
struct MetricView {
    value: Decimal,
    #[serde(flatten)]
    compared: Option<ComparedView>,
}

#[derive(Serialize)]
struct ComparedView {
    previous: Decimal,
    change_pct: Option<Decimal>,
}

impl SummaryView {
    pub(super) fn new(days: Days, counts: &Counts, compared: Option<(Days, Counts)>) -> Self {
        let now = judge(counts);
        let then = compared.as_ref().map(|(_, counts)| judge(counts));
        let metrics = std::array::from_fn(|at| {
            let (name, value) = now[at];
            let compared = then.map(|then| {
                let (_, previous) = then[at];
                ComparedView { previous, change_pct: value.change_pct(previous) }
            });
            (name, MetricView { value, compared })
        });
        Self { period: days.into(), comparison: compared.map(|(days, _)| days.to_string()), metrics }
    }

    pub(super) const COLUMNS: [&str; 4] = ["metric", "value", "previous", "change_pct"];

    pub(super) fn rows(&self) -> impl Iterator<Item = [Cell; 4]> + use<'_> {
        self.metrics.iter().map(|(name, metric)| {
            let compared = metric.compared.as_ref();
            [
                Cell::Text((*name).to_owned()),
                Cell::number(&metric.value),
                Cell::optional(compared.map(|compared| compared.previous)),
                Cell::optional(compared.and_then(|compared| compared.change_pct)),
            ]
        })
    }
}

/// TinyTrail's metrics of some counts, rounded as the document shows them.
fn judge(counts: &Counts) -> [(&'static str, Decimal); 5] {
    let visits = counts.of(Metric::Visits);
    let seconds = Decimal::ratio(i128::from(counts.of(Metric::DurationMs)), i128::from(visits) * 1000, 0);
    [
        ("visits", Decimal::whole(visits)),
        ("unique_visitors", Decimal::whole(counts.of(Metric::UniqueVisitors))),
        ("pageviews", Decimal::whole(counts.of(Metric::Pageviews))),
        ("bounce_rate", Decimal::percentage(counts.of(Metric::Bounces), visits, 1)),
        ("avg_session_duration_sec", seconds),
    ]
}

fn in_order<S: Serializer>(
    metrics: &[(&'static str, MetricView); 5],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(name, metric)| (name, metric)))
}

/// The data of a list, a page at a time.
#[derive(Serialize)]
pub(super) struct PagedView<T> {
    pub(super) period: PeriodView,
    pub(super) page: u64,
    pub(super) per_page: u64,
    pub(super) rows: Vec<T>,
}

impl<T> PagedView<T> {
    pub(super) fn new(days: Days, paging: Paging, rows: Vec<T>) -> Self {
        Self { period: days.into(), page: paging.page, per_page: paging.per_page, rows }
    }
}

/// What a page counts; the first orders.
pub(super) const PAGES: &[Metric] = &[Metric::Pageviews, Metric::UniquePageviews];

/// A page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageView {
    path: String,
    content_group: Option<String>,
    pageviews: i64,
    unique_pageviews: i64,
}

impl From<Group> for PageView {
    fn from(group: Group) -> Self {
        Self {
            path: group.key.into_iter().next().unwrap_or_default(),
            content_group: Some(group.label).filter(|name| !name.is_empty()),
            pageviews: group.counts.of(Metric::Pageviews),
            unique_pageviews: group.counts.of(Metric::UniquePageviews),
        }
    }
}

impl PageView {
    pub(super) const COLUMNS: [&str; 4] = ["path", "contentGroup", "pageviews", "uniquePageviews"];

    pub(super) fn cells(self) -> [Cell; 4] {
        [
            Cell::Text(self.path),
            Cell::Text(self.content_group.unwrap_or_default()),
            Cell::number(&self.pageviews),
            Cell::number(&self.unique_pageviews),
        ]
    }
}

/// A website.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebsiteView<'a> {
    id: Uuid,
    account_id: Uuid,
    domain: &'a str,
    timezone: &'static str,
    content_groups: Vec<ContentGroupView<'a>>,
    excluded_ips: &'a [String],
    /// Shown where it is set: a website without it looks as published.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    respect_dnt: bool,
    /// Shown where it is set, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u16>,
    created_at: String,
}

impl<'a> From<&'a Website> for WebsiteView<'a> {
    fn from(website: &'a Website) -> Self {
        let groups = website.content_groups.iter();
        Self {
            id: website.id,
            account_id: website.account_id,
            domain: &website.domain,
            timezone: website.timezone.name(),
            content_groups: groups
                .map(|group| ContentGroupView { name: &group.name, pattern: group.pattern.as_str() })
                .collect(),
            excluded_ips: website.excluded_ips.texts(),
            respect_dnt: website.respect_dnt,
            retention_days: website.retention_days,
            created_at: instant(website.created_at),
        }
    }
}

#[derive(Serialize)]
struct ContentGroupView<'a> {
    name: &'a str,
    pattern: &'a str,
}

/// `2026-01-15T10:30:00.000Z`
pub(super) fn instant(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}
