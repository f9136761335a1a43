//! What an admin may have done by hand.

use axum::extract::State;
use axum::response::Response;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use directory::{Act, Action, Admin};
use http::StatusCode;
use serde::Serialize;
use service::Problem;
use service::dialect::success;
use service::extract::{Bounded, parse_json};
use utoipa::ToSchema;

use crate::report::period::{EARLIEST, LATEST};
use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::accounts::FIELDS;
use crate::surfaces::tinytrail::body::Fields;

/// That a day's aggregation was done.
#[derive(Serialize, ToSchema)]
#[schema(as = Aggregated)]
pub(super) struct AggregatedView {
    #[schema(example = "Aggregation completed for 2026-03-18")]
    message: String,
}

/// `POST /api/v1/admin/aggregate`: makes all rollups of a day equal to its events again: yesterday's (UTC), unless the body
/// names another one. They are up to date by themselves; this is for days that somebody changed by hand. A body may be missing.
pub(super) async fn aggregate(
    State(api): State<Api>,
    Admin(caller): Admin,
    Bounded(body): Bounded<FIELDS>,
) -> Result<Response, Problem> {
    let given = match body.trim_ascii() {
        [] => None,
        body => parse_json::<Fields>(body)?.text("date")?,
    };
    let date = match given {
        Some(text) => date(&text)?,
        None => api.reports.today(Tz::UTC) - Days::new(1),
    };
    let day = u16::try_from((date - NaiveDate::default()).num_days()).map_err(Problem::internal)?;
    api.keeper.aggregate(day).await?;
    api.directory.record(&Act::new(&caller.user, Action::Aggregate, date.to_string())).await?;
    Ok(success(StatusCode::OK, AggregatedView { message: format!("Aggregation completed for {date}") }))
}

/// A day that can be reported about.
fn date(text: &str) -> Result<NaiveDate, Problem> {
    // chrono also reads 2026-3-1 and +2026-03-01; what it writes is the published form.
    let date = text.parse::<NaiveDate>().ok().filter(|date| date.to_string() == text);
    date.filter(|date| (EARLIEST..=LATEST).contains(date)).ok_or_else(|| {
        let message = format!("date must be a date of the form YYYY-MM-DD between {EARLIEST} and {LATEST}.");
        Problem::field("date", message)
    })
}
