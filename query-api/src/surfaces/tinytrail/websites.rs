//! The websites: listed and made.

use axum::extract::State;
use axum::response::Response;
use directory::{Caller, NewWebsite};
use http::StatusCode;
use service::Problem;
use service::dialect::success;
use service::extract::Json;
use uuid::Uuid;

use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::body::Fields;
use crate::surfaces::tinytrail::views::WebsiteView;

/// Bytes of a website's settings: a hundred groups with their patterns and a thousand addresses fit.
const SETTINGS: usize = 256 * 1024;

/// `GET /api/v1/websites`: all of them for an admin, the account's own for a user.
pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Response {
    let snapshot = api.directory.snapshot();
    let websites = snapshot.websites().iter().filter(|website| caller.may_see(website));
    let views: Vec<_> = websites.map(|website| WebsiteView::from(&**website)).collect();
    success(StatusCode::OK, views)
}

/// `POST /api/v1/websites`
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Json(fields): Json<Fields, SETTINGS>,
) -> Result<Response, Problem> {
    let account_id = match fields.uuid("account_id")? {
        Some(account) => owned_by(account, &caller)?,
        None => caller.user.account_id,
    };
    let new = NewWebsite {
        account_id,
        domain: fields.required_text("domain")?,
        content_groups: fields.pairs("content_groups", ["name", "pattern"])?.unwrap_or_default(),
        excluded_ips: fields.texts("excluded_ips")?.unwrap_or_default(),
        respect_dnt: fields.boolean("respect_dnt")?.unwrap_or_default(),
        timezone: fields.text("timezone")?,
    };
    let website = api.directory.add_website(new).await?;
    Ok(success(StatusCode::CREATED, WebsiteView::from(&*website)))
}

/// Only an admin may say whose the website is; a user who names the own account says nothing new.
fn owned_by(account: Uuid, caller: &Caller) -> Result<Uuid, Problem> {
    if caller.is_admin() || account == caller.user.account_id { Ok(account) } else { Err(Problem::Forbidden) }
}
