//! The TinyTrail API: `/api/v1`, keys in `X-API-KEY`, `{"status":…,"data":…}`.
//!
//! * `routes`: all of them on one page,
//! * `params` and `body`: what callers send, refused by name,
//! * `reports`, `websites`, `accounts` and `users`: the handlers,
//! * `views` and `csv`: what is answered,
//! * `openapi`: all of it, told to machines and to readers.
//!
//! Absent on purpose: CORS. A key in a page would be everybody's.

mod accounts;
mod body;
mod csv;
mod openapi;
mod params;
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

use crate::report::Reports;

/// What the handlers share.
#[derive(Clone)]
struct Api {
    directory: Arc<Directory>,
    reports: Reports,
    limiter: Arc<Limiter<Uuid>>,
}

impl FromRef<Api> for Arc<Directory> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.directory)
    }
}

/// The surface's router, with its fallback.
pub(crate) fn router(directory: Arc<Directory>, reports: Reports, limit: Rate) -> Router {
    routes::router(Api { directory, reports, limiter: Arc::new(Limiter::new(limit)) })
}
