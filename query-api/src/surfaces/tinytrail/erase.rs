//! What callers have erased: a website, an account, a visitor. The answer comes when it is absent for everybody; the
//! data goes afterwards, within minutes, and `schema::erase` writes down when it is gone.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use directory::{Act, Action, Admin, Caller, Website};
use http::StatusCode;
use schema::erase::visitor_hash;
use serde::Serialize;
use service::Problem;
use service::dialect::success;
use service::extract::Json;
use uuid::Uuid;

use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::accounts::AccountView;
use crate::surfaces::tinytrail::body::{ErasureId, Fields, Id};
use crate::surfaces::tinytrail::views::WebsiteView;

/// Bytes of a body that names a visitor.
const VISITOR: usize = 16 * 1024;

/// `DELETE /api/v1/websites/:id`
pub(super) async fn website(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let website = erasable(&api, &caller, id)?;
    write_down(&api, &caller, &website).await?;
    let website = api.directory.delete_website(website.id).await?;
    Ok(success(StatusCode::OK, WebsiteView::from(&*website)))
}

/// `DELETE /api/v1/accounts/:id`: with its users, websites and all of their data. Nobody deletes the account that the own
/// key is of: nobody could come in any more to see what became of it.
pub(super) async fn account(
    State(api): State<Api>,
    Admin(caller): Admin,
    Id(id): Id,
) -> Result<Response, Problem> {
    if id == caller.user.account_id {
        return Err(Problem::field("id", "id: this is the account of your own API key."));
    }
    let snapshot = api.directory.snapshot();
    if snapshot.account(id).is_none() {
        return Err(Problem::NotFound("Account"));
    }
    let users = snapshot.users().iter().filter(|user| user.account_id == id).count();
    let websites: Vec<_> =
        snapshot.websites().iter().filter(|website| website.account_id == id).cloned().collect();
    let detail = format!(r#"{{"users":{users},"websites":{}}}"#, websites.len());
    let act = Act::on_account(&caller.user, Action::DeleteAccount, id).with(detail);
    api.directory.record(&act).await?;
    for website in websites {
        write_down(&api, &caller, &website).await?;
    }
    let account = api.directory.delete_account(id).await?;
    Ok(success(StatusCode::OK, AccountView::from(&account)))
}

/// `POST /api/v1/websites/:id/erasures`: asks for the erasure of one visitor, by the `user_id` that the website calls
/// somebody, or by the `visitor_id` that is stored.
pub(super) async fn visitor(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Json(fields): Json<Fields, VISITOR>,
) -> Result<Response, Problem> {
    let website = erasable(&api, &caller, id)?;
    let visitor = match (fields.text("user_id")?, fields.text("visitor_id")?) {
        (Some(user), None) if !user.is_empty() => api.directory.visitor_of_user(website.id, &user),
        (None, Some(visitor)) => visitor
            .parse()
            .map_err(|_| Problem::field("visitor_id", "visitor_id must be a whole number, as text."))?,
        _ => return Err(Problem::body("Give either user_id or visitor_id.")),
    };
    let erasure = api.keeper.erase_visitor(website.id, visitor).await?;
    let act = Act::on_website(&caller.user, Action::EraseVisitor, &website, &[]);
    api.directory.record(&act.about(visitor_hash(website.id, visitor))).await?;
    Ok(success(StatusCode::ACCEPTED, ErasureView { id: erasure, state: "requested".to_owned() }))
}

/// `GET /api/v1/websites/:id/erasures/:erasure`: `requested`, `begun` or `done`.
pub(super) async fn state(
    State(api): State<Api>,
    caller: Caller,
    ErasureId(website, id): ErasureId,
) -> Result<Response, Problem> {
    let website = erasable(&api, &caller, website)?;
    let state = api.keeper.erasure(website.id, id).await?.ok_or(Problem::NotFound("Erasure"))?;
    Ok(success(StatusCode::OK, ErasureView { id, state }))
}

/// The website, for somebody who may do away with its data: a key that is good for one website only is a server's or an
/// app's, and may not.
fn erasable(api: &Api, caller: &Caller, id: Uuid) -> Result<Arc<Website>, Problem> {
    let website = caller.website(&api.directory, id)?;
    caller.may_change()?;
    Ok(website)
}

/// Before it is done: of what was deleted nobody could tell the size any more.
async fn write_down(api: &Api, caller: &Caller, website: &Website) -> Result<(), Problem> {
    let detail = format!(r#"{{"events":{}}}"#, api.keeper.events_of(website.id).await?);
    let act = Act::on_website(&caller.user, Action::DeleteWebsite, website, &[]).with(detail);
    Ok(api.directory.record(&act).await?)
}

/// An erasure of a visitor.
#[derive(Serialize)]
struct ErasureView {
    id: Uuid,
    state: String,
}
