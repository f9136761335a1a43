//! The reports: who asks and about what is settled by one extractor, the core counts, a view judges.

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use directory::Caller;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use service::Problem;
use service::dialect::success;

use crate::report::{Answer, Breakdown, Dimension, Scope, Source};
use crate::surfaces::problem;
use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::csv;
use crate::surfaces::tinytrail::params::{Format, ReportParams};
use crate::surfaces::tinytrail::views::{PAGES, PageView, PagedView, SUMMARY, SummaryView};

/// Says which table a report was answered from.
const SOURCE: HeaderName = HeaderName::from_static("x-footfall-source");

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
        let period = params.period(api.reports.today(website.timezone))?;
        let days = api.reports.days(website.id, website.timezone, period).await.map_err(problem)?;
        let scope = Scope {
            site: website.id,
            days,
            include_bots: params.include_bots,
            content_group: params.content_group.clone(),
        };
        Ok(Self { params, scope })
    }
}

/// `GET /api/v1/reports/summary`
pub(super) async fn summary(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let Asked { params, scope } = asked;
    let earlier = params.compare.map(|comparison| scope.over(scope.days.compared(comparison)));
    let before = async {
        match &earlier {
            Some(earlier) => api.reports.totals(earlier, SUMMARY).await.map(Some),
            None => Ok(None),
        }
    };
    let (now, before) = futures::try_join!(api.reports.totals(&scope, SUMMARY), before).map_err(problem)?;
    let compared = earlier.zip(before).map(|(earlier, before)| (earlier.days, before.counts));
    let view = SummaryView::new(scope.days, &now.counts, compared);
    let response = match params.format {
        Format::Json => success(StatusCode::OK, view),
        Format::Csv => csv::download("summary", scope.days, SummaryView::COLUMNS, view.rows())?,
    };
    Ok(from_source(response, now.source))
}

/// `GET /api/v1/reports/pages`
pub(super) async fn pages(State(api): State<Api>, asked: Asked) -> Result<Response, Problem> {
    let Asked { params, scope } = asked;
    let question = Breakdown { by: Dimension::Page, metrics: PAGES };
    let Answer { counts, source } =
        api.reports.breakdown(&scope, question, params.paging.into()).await.map_err(problem)?;
    let rows = counts.into_iter().map(PageView::from);
    let response = match params.format {
        Format::Json => success(StatusCode::OK, PagedView::new(scope.days, params.paging, rows.collect())),
        Format::Csv => csv::download("pages", scope.days, PageView::COLUMNS, rows.map(PageView::cells))?,
    };
    Ok(from_source(response, source))
}

fn from_source(mut response: Response, source: Source) -> Response {
    response.headers_mut().insert(SOURCE, HeaderValue::from_static(source.name()));
    response
}
