//! The audit log: who did what to which website or account. A row is written beside the work and never changed.
//!
//! It holds no secret and no personal data: ids of users, websites and accounts, hashes, dates, numbers.

use clickhouse::Client;

use crate::rows::AuditRow;

/// The actor of what the house does by itself.
pub const UPKEEP: &str = "upkeep";

/// Writes a row.
pub async fn record(client: &Client, row: &AuditRow) -> Result<(), clickhouse::error::Error> {
    let mut insert = client.insert::<AuditRow>("audit_log").await?;
    insert.write(row).await?;
    insert.end().await
}
