//! The TinyTrail API: `/api/v1`, keys in `X-API-KEY`, `{"status":…,"data":…}`.
//!
//! * `routes`: all of them on one page,
//! * `params`, `questions`, `filters` and `body`: what callers send, refused by name,
//! * `reports`, `websites`, `accounts`, `users`, `erase` and `admin`: the handlers,
//! * `views`, `report_views` and `csv`: what is answered,
//! * `openapi`: all of it, told to machines and to readers.
//!
//! Absent on purpose: CORS. A key in a page would be everybody's.

mod accounts;
mod admin;
mod body;
mod csv;
mod erase;
mod filters;
mod openapi;
mod params;
mod questions;
mod report_views;
mod reports;
mod routes;
mod users;
mod views;
mod websites;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use directory::Directory;
use service::config::Rate;
use service::limits::Limiter;
use uuid::Uuid;

use crate::keeper::Keeper;
use crate::report::Reports;

/// What the handlers share.
#[derive(Clone)]
struct Api {
    directory: Arc<Directory>,
    reports: Reports,
    keeper: Keeper,
    limiter: Arc<Limiter<Uuid>>,
}

impl FromRef<Api> for Arc<Directory> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.directory)
    }
}

/// The surface's router, with its fallback.
pub(crate) fn router(directory: Arc<Directory>, reports: Reports, keeper: Keeper, limit: Rate) -> Router {
    routes::router(Api { directory, reports, keeper, limiter: Arc::new(Limiter::new(limit)) })
}
