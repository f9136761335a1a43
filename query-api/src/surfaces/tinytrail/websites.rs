//! The websites: listed and made, and the keys that are good for one of them only.

use axum::extract::{Path, State};
use axum::response::Response;
use directory::{Admin, Caller, NewUser, NewWebsite, Role};
use http::StatusCode;
use service::Problem;
use service::dialect::success;
use service::extract::Json;
use uuid::Uuid;

use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::body::Fields;
use crate::surfaces::tinytrail::views::{KeyView, WebsiteView};

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
        retention_days: fields.whole("retention_days")?,
        timezone: fields.text("timezone")?,
    };
    let website = api.directory.add_website(new).await?;
    Ok(success(StatusCode::CREATED, WebsiteView::from(&*website)))
}

/// `POST /api/v1/websites/:id/keys`: makes a user of the website's account whose key is good for this website only, for a
/// server or an app that has no business with others. The answer is the only time that the key is shown here.
pub(super) async fn add_key(
    State(api): State<Api>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    Json(fields): Json<Fields, SETTINGS>,
) -> Result<Response, Problem> {
    let id = Uuid::try_parse(&id).map_err(|_| Problem::field("id", "id must be a UUID."))?;
    let website = caller.website(&api.directory, id)?;
    let new = NewUser {
        account_id: website.account_id,
        website_id: Some(website.id),
        email: fields.text("email")?.unwrap_or_default(),
        role: Role::User,
    };
    let (user, key) = api.directory.add_user(new).await?;
    Ok(success(StatusCode::CREATED, KeyView::of(&user, &key)))
}

/// Only an admin may say whose the website is; a user who names the own account says nothing new.
fn owned_by(account: Uuid, caller: &Caller) -> Result<Uuid, Problem> {
    if caller.is_admin() || account == caller.user.account_id { Ok(account) } else { Err(Problem::Forbidden) }
}
