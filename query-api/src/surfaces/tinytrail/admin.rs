//! The operator's work on what is stored: `POST /api/v1/admin/aggregate`.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate};
use directory::Admin;
use http::StatusCode;
use schema::rows::Day;
use serde::Serialize;
use service::Problem;
use service::dialect::success;
use service::extract::{Bounded, parse_json};

use crate::keeper::Deed;
use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::body::Fields;

/// Bytes of a body that names a date.
const DATE: usize = 4096;

#[derive(Serialize)]
struct DoneView {
    message: String,
}

/// Makes all rollups of a date equal to the events: yesterday's (UTC), unless the body names another one. The rollups are
/// always up to date by themselves; this is for days that somebody changed by hand. A body may be missing.
pub(super) async fn aggregate(
    State(api): State<Api>,
    Admin(caller): Admin,
    Bounded(body): Bounded<DATE>,
) -> Result<Response, Problem> {
    let date = if body.is_empty() { None } else { parse_json::<Fields>(&body)?.text("date")? };
    let date = match date {
        Some(text) => text,
        None => yesterday(api.keeper.now()).to_string(),
    };
    let day: Day = schema::command::day(&date).map_err(|expected| {
        let message = format!("date must be a day: {expected}.");
        Problem::field("date", message)
    })?;
    api.keeper.aggregate(day).await?;
    api.keeper.audit(&caller, Deed { action: "admin.aggregate", subject: &date, ..Deed::default() }).await?;
    Ok(success(StatusCode::OK, DoneView { message: format!("Aggregation completed for {date}") }))
}

fn yesterday(now: i64) -> NaiveDate {
    let today = DateTime::from_timestamp_millis(now).unwrap_or_default().date_naive();
    today.checked_sub_days(Days::new(1)).unwrap_or(today)
}
