//! The users: listed, made with a key, shown their key again, and deleted with it; by admins.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use directory::{Act, Action, Admin, ApiKey, NewUser, User};
use http::StatusCode;
use serde::Serialize;
use service::Problem;
use service::dialect::success;
use service::extract::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::accounts::FIELDS;
use crate::surfaces::tinytrail::body::{Fields, Id};
use crate::surfaces::tinytrail::views::instant;

/// A user, without the key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(super) struct UserView<'a> {
    id: Uuid,
    account_id: Uuid,
    /// The only website that the key is good for; missing: all of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    website_id: Option<Uuid>,
    /// A label, not used for login; may be empty.
    #[schema(example = "user@example.com")]
    email: &'a str,
    #[schema(pattern = "^(admin|user)$", example = "user")]
    role: &'static str,
    #[schema(format = DateTime, example = "2026-01-15T10:30:00.000Z")]
    created_at: String,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id,
            account_id: user.account_id,
            website_id: user.website_id,
            email: &user.email,
            role: user.role.as_str(),
            created_at: instant(user.created_at),
        }
    }
}

/// A user that was just made, with the key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewUser)]
pub(super) struct NewUserView<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    /// Keep it: it is not part of any list.
    #[schema(example = "tt_abc123...")]
    api_key: String,
}

impl<'a> NewUserView<'a> {
    pub(super) fn of(user: &'a User, key: &ApiKey) -> Self {
        Self { user: UserView::from(user), api_key: key.to_string() }
    }
}

/// A user's key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserKey)]
pub(super) struct UserKeyView {
    id: Uuid,
    #[schema(example = "tt_abc123...")]
    api_key: String,
}

/// `GET /api/v1/users`: all of them, in the order of their making.
pub(super) async fn list(State(api): State<Api>, _: Admin) -> Response {
    let snapshot = api.directory.snapshot();
    let views: Vec<_> = snapshot.users().iter().map(|user| UserView::from(&**user)).collect();
    success(StatusCode::OK, views)
}

/// `POST /api/v1/users`
pub(super) async fn create(
    State(api): State<Api>,
    Admin(caller): Admin,
    Json(fields): Json<Fields, FIELDS>,
) -> Result<Response, Problem> {
    let new = NewUser {
        account_id: fields.required_uuid("account_id")?,
        website_id: None,
        role: fields.required_text("role")?.parse()?,
        email: fields.text("email")?.unwrap_or_default(),
    };
    let directory = Arc::clone(&api.directory);
    let work = async move {
        let (user, key): (User, ApiKey) = directory.add_user(new).await?;
        let act = Act::on_user(&caller.user, Action::CreateUser, &user);
        Ok(((user, key), act))
    };
    let (user, key) = api.directory.audited(work).await?;
    Ok(success(StatusCode::CREATED, NewUserView::of(&user, &key)))
}

/// `GET /api/v1/users/:id/api-key`: the key again. It is not shown before the reading is in the audit log.
pub(super) async fn reveal(
    State(api): State<Api>,
    Admin(caller): Admin,
    Id(id): Id,
) -> Result<Response, Problem> {
    let key = api.directory.reveal_key(id, &caller.user).await?;
    Ok(success(StatusCode::OK, UserKeyView { id, api_key: key.to_string() }))
}

/// `DELETE /api/v1/users/:id`: the key stops working, at once here and within 2 s elsewhere.
pub(super) async fn delete(
    State(api): State<Api>,
    Admin(caller): Admin,
    Id(id): Id,
) -> Result<Response, Problem> {
    let directory = Arc::clone(&api.directory);
    let work = async move {
        let user = directory.delete_user(id).await?;
        let act = Act::on_user(&caller.user, Action::DeleteUser, &user);
        Ok((user, act))
    };
    let user = api.directory.audited(work).await?;
    Ok(success(StatusCode::OK, UserView::from(&user)))
}
