//! The reports: who asks and about what is settled by one extractor, the core counts, a view judges.

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use directory::Caller;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use service::Problem;
use service::dialect::success;

use crate::report::breakdown::Group;
use crate::report::filter::{Condition, Operator, Property};
use crate::report::{Answer, Breakdown, Dimension, Kept, List, Metric, Page, Scope, Series, Source};
use crate::surfaces::problem;
use crate::surfaces::tinytrail::csv::{self, Cell};
use crate::surfaces::tinytrail::params::{Format, ReportParams};
use crate::surfaces::tinytrail::report_views::{
    BROWSERS, CUSTOM_EVENTS, DEVICE_TYPES, DevicesView, EXIT_PAGES, FlowView, FunnelView, LANDING_PAGES,
    Names, OS_FAMILIES, PointView, RealtimeView, RowView, SCREENS, StepView, TimeseriesView,
    names_of_sources,
};
use crate::surfaces::tinytrail::views::{PAGES, PageView, PagedView, SUMMARY, SummaryView};
use crate::surfaces::tinytrail::{Api, filters};

/// Says which table a report was answered from.
const SOURCE: HeaderName = HeaderName::from_static("x-footfall-source");

/// Says whether the answer was kept from an earlier question: `hit`, `miss`, or `off` where nothing is.
const KEPT: HeaderName = HeaderName::from_static("x-footfall-cache");

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
    fn answer<T: Serialize, R: IntoIterator<Item = Cell> + Send + 'static>(
        &self,
        from: Origin,
        view: T,
        report: &str,
        columns: &[&str],
        rows: impl FnOnce(T) -> Vec<R>,
    ) -> Result<Response, Problem> {
        let response = match self.params.format {
            Format::Json => success(StatusCode::OK, view),
            Format::Csv => {
                let rows = stream::iter(rows(view)).map(Ok);
                csv::download(report, self.scope.days, columns, rows)?
            }
        };
        Ok(from.told_in(response))
    }

    /// A table of a breakdown, row by row as they are counted; `None`: the answer is to be JSON.
    async fn table<R: IntoIterator<Item = Cell> + Send + 'static>(
        &self,
        api: &Api,
        table: &Table<'_>,
        page: Page,
        cells: impl Fn(Group) -> R + Send + 'static,
    ) -> Result<Option<Response>, Problem> {
        let Table { scope, question, report, columns } = table;
        match self.params.format {
            Format::Json => Ok(None),
            Format::Csv => {
                let Answer { counts, source, kept } =
                    api.reports.export(scope, *question, page).await.map_err(problem)?;
                let response = csv::download(report, scope.days, columns, counts.map_ok(cells))?;
                Ok(Some(Origin { source, kept }.told_in(response)))
            }
        }
    }

    fn page(&self) -> Page {
        if self.params.all_rows { Page::WHOLE } else { self.params.paging.into() }
    }
}

/// A breakdown as a report shows it.
struct Table<'a> {
    scope: &'a Scope,
    question: Breakdown,
    report: &'static str,
    columns: &'a [&'static str],
}

/// Where an answer is from.
struct Origin {
    source: Source,
    kept: Kept,
}

impl Origin {
    fn of<T>(answer: &Answer<T>) -> Self {
        Self { source: answer.source, kept: answer.kept }
    }

    fn told_in(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(SOURCE, HeaderValue::from_static(self.source.name()));
        headers.insert(KEPT, HeaderValue::from_static(self.kept.name()));
        response
    }
}

/// Counts by a dimension; for a list that shows names, those that have one.
fn by(by: Dimension, metrics: &'static [Metric], named_only: bool) -> Breakdown {
    Breakdown { by, metrics, named_only }
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
    let kept = before.as_ref().map_or(now.kept, |before| now.kept.and(before.kept));
    let compared = earlier.zip(before).map(|(earlier, before)| (earlier.days, before.counts));
    let view = SummaryView::new(scope.days, &now.counts, compared);
    let from = Origin { source: now.source, kept };
    asked.answer(from, view, "summary", &SummaryView::COLUMNS, |view| view.rows().collect())
}

/// `GET /api/v1/reports/pages`
pub(super) async fn pages(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let list = Table {
        scope: &asked.scope,
        question: by(Dimension::Page, PAGES, false),
        report: "pages",
        columns: &PageView::COLUMNS,
    };
    if let Some(table) = asked.table(&api, &list, asked.page(), |group| PageView::from(group).cells()).await?
    {
        return Ok(table);
    }
    let answer = api.reports.breakdown(list.scope, list.question, asked.page()).await.map_err(problem)?;
    let from = Origin::of(&answer);
    let rows = answer.counts.into_iter().map(PageView::from).collect();
    Ok(from.told_in(success(StatusCode::OK, PagedView::new(asked.scope.days, asked.params.paging, rows))))
}

/// A list of names and counts, a page at a time.
async fn named(
    api: &Api,
    asked: &Asked,
    list: &Table<'_>,
    names: Names,
    metric: Metric,
) -> Result<Response, Problem> {
    let cells = move |group| RowView::new(names, group, metric).cells();
    if let Some(table) = asked.table(api, list, asked.page(), cells).await? {
        return Ok(table);
    }
    let answer = api.reports.breakdown(list.scope, list.question, asked.page()).await.map_err(problem)?;
    let from = Origin::of(&answer);
    let rows = RowView::list(names, answer.counts, metric);
    Ok(from.told_in(success(StatusCode::OK, PagedView::new(list.scope.days, asked.params.paging, rows))))
}

/// `GET /api/v1/reports/sources`
pub(super) async fn sources(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let group_by = asked.params.questions.group_by;
    let names = names_of_sources(group_by);
    let list = Table {
        scope: &asked.scope,
        question: by(group_by.dimension(), &[Metric::Visits], true),
        report: "sources",
        columns: &names.columns(),
    };
    named(&api, &asked, &list, names, Metric::Visits).await
}

/// `GET /api/v1/reports/devices`
pub(super) async fn devices(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let table = Table {
        scope: &asked.scope,
        question: by(Dimension::DeviceType, &[Metric::Visits], false),
        report: "devices",
        columns: &DEVICE_TYPES.columns(),
    };
    let cells = |group| RowView::new(DEVICE_TYPES, group, Metric::Visits).cells();
    if let Some(table) = asked.table(&api, &table, WHOLE, cells).await? {
        return Ok(table);
    }
    let answer = api.reports.lists(&asked.scope, DEVICES, &[Metric::Visits], WHOLE).await.map_err(problem)?;
    let from = Origin::of(&answer);
    let mut lists = answer.counts.into_iter();
    let mut next = |names| RowView::list(names, lists.next().unwrap_or_default(), Metric::Visits);
    let view = DevicesView {
        period: asked.scope.days.into(),
        device_types: next(DEVICE_TYPES),
        browsers: next(BROWSERS),
        os_families: next(OS_FAMILIES),
        screen_resolutions: next(SCREENS),
    };
    Ok(from.told_in(success(StatusCode::OK, view)))
}

/// `GET /api/v1/reports/flow`
pub(super) async fn flow(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let table = Table {
        scope: &asked.scope,
        question: by(Dimension::Page, &[Metric::Entries], false),
        report: "flow",
        columns: &LANDING_PAGES.columns(),
    };
    let cells = |group| RowView::new(LANDING_PAGES, group, Metric::Entries).cells();
    if let Some(table) = asked.table(&api, &table, asked.page(), cells).await? {
        return Ok(table);
    }
    let metrics = &[Metric::Entries, Metric::Exits];
    let answer = api.reports.lists(&asked.scope, FLOW, metrics, asked.page()).await.map_err(problem)?;
    let from = Origin::of(&answer);
    let mut lists = answer.counts.into_iter();
    let mut next = |names, metric| RowView::list(names, lists.next().unwrap_or_default(), metric);
    let view = FlowView::new(
        asked.scope.days,
        asked.params.paging,
        next(LANDING_PAGES, Metric::Entries),
        next(EXIT_PAGES, Metric::Exits),
    );
    Ok(from.told_in(success(StatusCode::OK, view)))
}

/// `GET /api/v1/reports/funnel`
pub(super) async fn funnel(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let funnel = asked.params.questions.funnel()?;
    let answer = api.reports.funnel(&asked.scope, funnel).await.map_err(problem)?;
    let view = FunnelView::new(asked.scope.days, funnel, &answer.counts);
    asked.answer(Origin::of(&answer), view, "funnel", &StepView::COLUMNS, |view| {
        view.funnel.into_iter().map(StepView::cells).collect()
    })
}

/// `GET /api/v1/reports/realtime`
pub(super) async fn realtime(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let answer = api.reports.live(asked.scope.site).await.map_err(problem)?;
    let (from, view) = (Origin::of(&answer), RealtimeView::from(answer.counts));
    asked.answer(from, view, "realtime", &RealtimeView::columns(), |view| {
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
    let list = Table {
        scope: &scope,
        question: by(Dimension::CustomEvent, &[Metric::Events], false),
        report: "custom-events",
        columns: &CUSTOM_EVENTS.columns(),
    };
    named(&api, &asked, &list, CUSTOM_EVENTS, Metric::Events).await
}

/// `GET /api/v1/reports/timeseries`
pub(super) async fn timeseries(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let questions = &asked.params.questions;
    let path = questions.path.clone();
    let series = Series { metrics: questions.shown.metrics(path.is_some()), path };
    let answer = api.reports.series(&asked.scope, &series).await.map_err(problem)?;
    let from = Origin::of(&answer);
    let view = TimeseriesView::new(asked.scope.days, questions.shown, series.path, answer.counts);
    asked.answer(from, view, "timeseries", &PointView::COLUMNS, |view| {
        view.series.into_iter().map(PointView::cells).collect()
    })
}
