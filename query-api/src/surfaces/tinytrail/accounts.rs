//! The accounts: listed and made, by admins.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use directory::{Account, Act, Action, Admin};
use http::StatusCode;
use serde::Serialize;
use service::Problem;
use service::dialect::success;
use service::extract::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::surfaces::tinytrail::Api;
use crate::surfaces::tinytrail::body::Fields;
use crate::surfaces::tinytrail::views::instant;

/// Bytes of an account's or a user's fields: a name and an address.
pub(super) const FIELDS: usize = 16 * 1024;

/// An account: the tenant that owns users and websites.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
pub(super) struct AccountView<'a> {
    id: Uuid,
    /// A label; not unique.
    #[schema(example = "Acme Corp")]
    name: &'a str,
    #[schema(format = DateTime, example = "2026-01-15T10:30:00.000Z")]
    created_at: String,
}

impl<'a> From<&'a Account> for AccountView<'a> {
    fn from(account: &'a Account) -> Self {
        Self { id: account.id, name: &account.name, created_at: instant(account.created_at) }
    }
}

/// `GET /api/v1/accounts`: all of them, in the order of their making.
pub(super) async fn list(State(api): State<Api>, _: Admin) -> Response {
    let snapshot = api.directory.snapshot();
    let views: Vec<_> = snapshot.accounts().iter().map(|account| AccountView::from(&**account)).collect();
    success(StatusCode::OK, views)
}

/// `POST /api/v1/accounts`
pub(super) async fn create(
    State(api): State<Api>,
    Admin(caller): Admin,
    Json(fields): Json<Fields, FIELDS>,
) -> Result<Response, Problem> {
    let name = fields.required_text("name")?;
    let directory = Arc::clone(&api.directory);
    let work = async move {
        let account = directory.add_account(&name).await?;
        let act = Act::on_account(&caller.user, Action::CreateAccount, account.id);
        Ok((account, act))
    };
    let account = api.directory.audited(work).await?;
    Ok(success(StatusCode::CREATED, AccountView::from(&account)))
}
