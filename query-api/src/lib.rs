//! The way out: report parameters become ClickHouse SQL, and its rows become answers.
//!
//! * [`keeper`]: what callers may do to what is stored: erase, count again,
//! * [`report`]: the core: scopes and questions, static SQL, counts,
//! * [`surfaces`]: the published APIs on top of it,
//! * [`router`]: all of it as one router; `main` serves it alone, the standalone house beside the way in.

pub mod keeper;
pub mod report;
pub mod surfaces;

use std::sync::Arc;

use axum::Router;
use directory::Directory;
use schema::store::StoreUrl;
use service::Clock;
use service::config::{self, ConfigError, Rate};

/// What the way out is made of.
pub struct QueryApi {
    /// Where the events are.
    pub store: StoreUrl,
    /// Who may ask, and about which websites.
    pub directory: Arc<Directory>,
    /// What "today" is.
    pub clock: Clock,
    /// Requests per API key.
    pub api_limit: Rate,
    /// Which tables reports may be answered from.
    pub rollups: report::Prefer,
    /// How much memory answers may take that are kept for equal questions.
    pub cache: report::CacheSize,
}

/// `FOOTFALL_ROLLUPS`: whether reports may be answered from rollups. `off` is for comparing both ways.
pub fn rollups() -> Result<report::Prefer, ConfigError> {
    Ok(config::read("FOOTFALL_ROLLUPS")?.unwrap_or_default())
}

/// `FOOTFALL_CACHE`: how much memory kept answers may take, or `off`.
pub fn cache() -> Result<report::CacheSize, ConfigError> {
    Ok(config::read("FOOTFALL_CACHE")?.unwrap_or_default())
}

/// The published allowance: 60 requests in 60 seconds per API key.
pub const API_LIMIT: Rate = Rate::per_seconds(60, 60);

/// Asks the store whether it answers.
pub fn store_check(store: &StoreUrl) -> service::health::Check {
    let client = store.client();
    Arc::new(move || {
        let client = client.clone();
        Box::pin(async move { schema::store::answers(&client).await })
    })
}

/// Every route of the way out. It answers `/health`, and every path that is no route in TinyTrail's words; a router
/// that is merged with it has neither.
pub fn router(deps: QueryApi) -> Router {
    let QueryApi { store, directory, clock, api_limit, rollups, cache } = deps;
    let reports = report::Reports::new(&store, clock.clone()).prefer(rollups).cached(&store, cache);
    let keeper = keeper::Keeper::new(&store, clock);
    service::health::router(store_check(&store))
        .merge(surfaces::tinytrail::router(directory, reports, keeper, api_limit))
}
