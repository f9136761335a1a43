//! The reports: who asks and about what is settled by one extractor, the core counts, a view judges.

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use directory::Caller;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use service::Problem;
use service::dialect::success;

use crate::report::breakdown::Group;
use crate::report::filter::{Condition, Operator, Property};
use crate::report::{Answer, Breakdown, Dimension, List, Metric, Page, Scope, Series, Source};
use crate::surfaces::problem;
use crate::surfaces::tinytrail::csv::{self, Cell};
use crate::surfaces::tinytrail::params::{Format, ReportParams};
use crate::surfaces::tinytrail::report_views::{
    BROWSERS, CUSTOM_EVENTS, DEVICE_TYPES, DevicesView, EXIT_PAGES, FlowView, FunnelView, LANDING_PAGES,
    OS_FAMILIES, PointView, RealtimeView, RowView, SCREENS, StepView, TimeseriesView, names_of_sources,
};
use crate::surfaces::tinytrail::views::{PAGES, PageView, PagedView, SUMMARY, SummaryView};
use crate::surfaces::tinytrail::{Api, filters};

/// Says which table a report was answered from.
const SOURCE: HeaderName = HeaderName::from_static("x-footfall-source");

/// Rows of a list that has no pages. There are not so many kinds of devices.
const WHOLE: Page = Page { limit: 1000, offset: 0 };

/// The lists of devices.
const DEVICES: &[List] = &[
    List { by: Dimension::DeviceType, metric: 0 },
    List { by: Dimension::Browser, metric: 0 },
    List { by: Dimension::Os, metric: 0 },
    List { by: Dimension::Screen, metric: 0 },
];

/// Where sessions enter, and where they leave.
const FLOW: &[List] = &[List { by: Dimension::Page, metric: 0 }, List { by: Dimension::Page, metric: 1 }];

/// A report as it was asked for: the caller is known, the website is theirs, the parameters are good, the days are days.
pub(super) struct Asked {
    params: ReportParams,
    scope: Scope,
}

impl FromRequestParts<Api> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let params = ReportParams::parse(parts.uri.query().unwrap_or_default())?;
        let website = caller.website(&api.directory, params.website_id)?;
        let other = params.timezone.filter(|zone| *zone != website.timezone);
        let zone = other.unwrap_or(website.timezone);
        let period = params.period(api.reports.today(zone))?;
        let days = api.reports.days(website.id, zone, other.is_none(), period).await.map_err(problem)?;
        let scope = Scope {
            zone: other,
            include_bots: params.include_bots,
            content_group: params.content_group.clone(),
            filter: params.filters.as_ref().map(filters::raise).transpose()?,
            ..Scope::new(website.id, days)
        };
        Ok(Self { params, scope })
    }
}

impl Asked {
    /// The answer in the format that was asked for: the data, or a table of some of it.
    fn answer<T: Serialize, R: IntoIterator<Item = Cell>>(
        &self,
        source: Source,
        view: T,
        report: &str,
        columns: &[&str],
        rows: impl FnOnce(T) -> Vec<R>,
    ) -> Result<Response, Problem> {
        let mut response = match self.params.format {
            Format::Json => success(StatusCode::OK, view),
            Format::Csv => csv::download(report, self.scope.days, columns, rows(view))?,
        };
        response.headers_mut().insert(SOURCE, HeaderValue::from_static(source.name()));
        Ok(response)
    }
}

/// Counts by a dimension; for a list that shows names, those that have one.
async fn count(
    api: &Api,
    scope: &Scope,
    by: Dimension,
    metrics: &'static [Metric],
    named_only: bool,
    page: Page,
) -> Result<Answer<Vec<Group>>, Problem> {
    api.reports.breakdown(scope, Breakdown { by, metrics, named_only }, page).await.map_err(problem)
}

/// `GET /api/v1/reports/summary`
pub(super) async fn summary(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let scope = &asked.scope;
    let earlier = asked.params.compare.map(|comparison| scope.over(scope.days.compared(comparison)));
    let before = async {
        match &earlier {
            Some(earlier) => api.reports.totals(earlier, SUMMARY).await.map(Some),
            None => Ok(None),
        }
    };
    let (now, before) = futures::try_join!(api.reports.totals(scope, SUMMARY), before).map_err(problem)?;
    let compared = earlier.zip(before).map(|(earlier, before)| (earlier.days, before.counts));
    let view = SummaryView::new(scope.days, &now.counts, compared);
    asked.answer(now.source, view, "summary", &SummaryView::COLUMNS, |view| view.rows().collect())
}

/// `GET /api/v1/reports/pages`
pub(super) async fn pages(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let paging = asked.params.paging;
    let Answer { counts, source } =
        count(&api, &asked.scope, Dimension::Page, PAGES, false, paging.into()).await?;
    let view = PagedView::new(asked.scope.days, paging, counts.into_iter().map(PageView::from).collect());
    asked.answer(source, view, "pages", &PageView::COLUMNS, |view| {
        view.rows.into_iter().map(PageView::cells).collect()
    })
}

/// `GET /api/v1/reports/sources`
pub(super) async fn sources(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let (by, paging) = (asked.params.questions.group_by, asked.params.paging);
    let Answer { counts, source } =
        count(&api, &asked.scope, by.dimension(), &[Metric::Visits], true, paging.into()).await?;
    let names = names_of_sources(by);
    let view = PagedView::new(asked.scope.days, paging, RowView::list(names, counts, Metric::Visits));
    asked.answer(source, view, "sources", &names.columns(), |view| {
        view.rows.into_iter().map(RowView::cells).collect()
    })
}

/// `GET /api/v1/reports/devices`
pub(super) async fn devices(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let Answer { counts, source } =
        api.reports.lists(&asked.scope, DEVICES, &[Metric::Visits], WHOLE).await.map_err(problem)?;
    let mut lists = counts.into_iter();
    let mut next = |names| RowView::list(names, lists.next().unwrap_or_default(), Metric::Visits);
    let view = DevicesView {
        period: asked.scope.days.into(),
        device_types: next(DEVICE_TYPES),
        browsers: next(BROWSERS),
        os_families: next(OS_FAMILIES),
        screen_resolutions: next(SCREENS),
    };
    asked.answer(source, view, "devices", &DEVICE_TYPES.columns(), |view| {
        view.device_types.into_iter().map(RowView::cells).collect()
    })
}

/// `GET /api/v1/reports/flow`
pub(super) async fn flow(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let paging = asked.params.paging;
    let metrics = &[Metric::Entries, Metric::Exits];
    let Answer { counts, source } =
        api.reports.lists(&asked.scope, FLOW, metrics, paging.into()).await.map_err(problem)?;
    let mut lists = counts.into_iter();
    let mut next = |names, metric| RowView::list(names, lists.next().unwrap_or_default(), metric);
    let view = FlowView::new(
        asked.scope.days,
        paging,
        next(LANDING_PAGES, Metric::Entries),
        next(EXIT_PAGES, Metric::Exits),
    );
    asked.answer(source, view, "flow", &LANDING_PAGES.columns(), |view| {
        view.into_landing_pages().into_iter().map(RowView::cells).collect()
    })
}

/// `GET /api/v1/reports/funnel`
pub(super) async fn funnel(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let funnel = asked.params.questions.funnel()?;
    let Answer { counts, source } = api.reports.funnel(&asked.scope, funnel).await.map_err(problem)?;
    let view = FunnelView::new(asked.scope.days, funnel, &counts);
    asked.answer(source, view, "funnel", &StepView::COLUMNS, |view| {
        view.funnel.into_iter().map(StepView::cells).collect()
    })
}

/// `GET /api/v1/reports/realtime`
pub(super) async fn realtime(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let Answer { counts, source } = api.reports.live(asked.scope.site).await.map_err(problem)?;
    asked.answer(source, RealtimeView::from(counts), "realtime", &RealtimeView::columns(), |view| {
        view.top_pages.into_iter().map(RowView::cells).collect()
    })
}

/// `GET /api/v1/reports/custom-events`
pub(super) async fn custom_events(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let (params, mut scope) = (&asked.params, asked.scope.clone());
    if let Some(name) = &params.questions.event_name {
        let named = Condition::Test(Property::EventName, Operator::Is(name.clone()));
        let conditions = params.filters.iter().cloned().chain([named]).collect();
        scope.filter = Some(filters::raise(&Condition::All(conditions))?);
    }
    let Answer { counts, source } =
        count(&api, &scope, Dimension::CustomEvent, &[Metric::Events], false, params.paging.into()).await?;
    let rows = RowView::list(CUSTOM_EVENTS, counts, Metric::Events);
    let view = PagedView::new(scope.days, params.paging, rows);
    asked.answer(source, view, "custom-events", &CUSTOM_EVENTS.columns(), |view| {
        view.rows.into_iter().map(RowView::cells).collect()
    })
}

/// `GET /api/v1/reports/timeseries`
pub(super) async fn timeseries(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let questions = &asked.params.questions;
    let path = questions.path.clone();
    let series = Series { metrics: questions.shown.metrics(path.is_some()), path };
    let Answer { counts, source } = api.reports.series(&asked.scope, &series).await.map_err(problem)?;
    let view = TimeseriesView::new(asked.scope.days, questions.shown, series.path, counts);
    asked.answer(source, view, "timeseries", &PointView::COLUMNS, |view| {
        view.series.into_iter().map(PointView::cells).collect()
    })
}
