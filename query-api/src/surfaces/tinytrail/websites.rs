//! The websites: listed, made, shown and changed, and the keys that are good for one of them only.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use directory::{Act, Action, Admin, Caller, NewUser, NewWebsite, Role, WebsiteChange};
use http::StatusCode;
use service::Problem;
use service::dialect::success;
use service::extract::Json;
use uuid::Uuid;

use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::body::{Fields, Id};
use crate::surfaces::tinytrail::users::NewUserView;
use crate::surfaces::tinytrail::views::WebsiteView;

/// What can be set about a website, in the order in which it is told.
const SETTINGS_NAMES: [&str; 6] =
    ["domain", "content_groups", "excluded_ips", "timezone", "respect_dnt", "retention_days"];

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
    caller.may_change()?;
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
    let directory = Arc::clone(&api.directory);
    let given = fields.among(&SETTINGS_NAMES);
    let work = async move {
        let website = directory.add_website(new).await?;
        let act = Act::on_website(&caller.user, Action::CreateWebsite, &website, &given);
        Ok((website, act))
    };
    let website = api.directory.audited(work).await?;
    Ok(success(StatusCode::CREATED, WebsiteView::from(&*website)))
}

/// `GET /api/v1/websites/:id`
pub(super) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let website = caller.website(&api.directory, id)?;
    Ok(success(StatusCode::OK, WebsiteView::from(&*website)))
}

/// `PATCH /api/v1/websites/:id`: what is not named stays as it is.
pub(super) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Json(fields): Json<Fields, SETTINGS>,
) -> Result<Response, Problem> {
    let website = caller.website(&api.directory, id)?;
    caller.may_change()?;
    let change = WebsiteChange {
        domain: fields.text("domain")?,
        content_groups: fields.pairs("content_groups", ["name", "pattern"])?,
        excluded_ips: fields.texts("excluded_ips")?,
        respect_dnt: fields.boolean("respect_dnt")?,
        timezone: fields.text("timezone")?,
        retention_days: fields.whole("retention_days")?.map(Some),
    };
    let given = fields.among(&SETTINGS_NAMES);
    if given.is_empty() {
        let names = SETTINGS_NAMES.join(", ");
        return Err(Problem::body(format!("At least one field must be provided: {names}.")));
    }
    let directory = Arc::clone(&api.directory);
    let work = async move {
        let website = directory.update_website(website.id, change).await?;
        let act = Act::on_website(&caller.user, Action::UpdateWebsite, &website, &given);
        Ok((website, act))
    };
    let website = Box::pin(api.directory.audited(work)).await?;
    Ok(success(StatusCode::OK, WebsiteView::from(&*website)))
}

/// `POST /api/v1/websites/:id/keys`: makes a user of the website's account whose key is good for this website only, for a
/// server or an app that has no business with others. The answer is the only time that the key is shown here.
pub(super) async fn add_key(
    State(api): State<Api>,
    Admin(caller): Admin,
    Id(id): Id,
    Json(fields): Json<Fields, SETTINGS>,
) -> Result<Response, Problem> {
    let website = caller.website(&api.directory, id)?;
    let new = NewUser {
        account_id: website.account_id,
        website_id: Some(website.id),
        email: fields.text("email")?.unwrap_or_default(),
        role: Role::User,
    };
    let directory = Arc::clone(&api.directory);
    let work = async move {
        let (user, key) = directory.add_user(new).await?;
        let act = Act::on_user(&caller.user, Action::CreateUser, &user);
        Ok(((user, key), act))
    };
    let (user, key) = api.directory.audited(work).await?;
    Ok(success(StatusCode::CREATED, NewUserView::of(&user, &key)))
}

/// Only an admin may say whose the website is; a user who names the own account says nothing new.
fn owned_by(account: Uuid, caller: &Caller) -> Result<Uuid, Problem> {
    if caller.is_admin() || account == caller.user.account_id { Ok(account) } else { Err(Problem::Forbidden) }
}
