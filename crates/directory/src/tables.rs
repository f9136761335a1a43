//! The directory's tables: every statement that touches them, each with a deadline.

use clickhouse::error::Error as StoreError;
use clickhouse::{Client, Row, RowOwned, RowRead, RowWrite};
use schema::rows::{AccountRow, AuditRow, UserRow, WebsiteRow};
use schema::store::StoreUrl;
use serde::Deserialize;
use tokio::time::timeout;
use uuid::Uuid;

use crate::bounds;
use crate::error::DirectoryError;

/// The version of a row that only reserves a domain; it is not a website yet.
pub(crate) const RESERVED: u64 = 0;
/// The version that ends a reservation.
pub(crate) const RELEASED: u64 = 1;
/// The least version of a row that means something.
const FIRST: u64 = 2;

/// The version of a deleted website: no change that another process is about to write comes after it.
pub(crate) const DELETED: u64 = u64::MAX;

/// The version that replaces `previous`, if there was one. Versions are times, so that of two processes that
/// write one row the later wins; they grow even where a clock does not.
pub(crate) fn next_version(previous: Option<u64>, now: i64) -> u64 {
    let after = previous.map_or(FIRST, |previous| previous.saturating_add(1)).max(FIRST);
    after.max(u64::try_from(now).unwrap_or_default())
}

/// Two equal fingerprints mean that nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Deserialize)]
pub(crate) struct Fingerprint {
    rows: u64,
    sum: u64,
}

/// A claim of a domain: a reservation, or a website that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Deserialize)]
pub(crate) struct ClaimRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub(crate) id: Uuid,
    /// By the store's clock, in nanoseconds.
    pub(crate) claimed_at: i64,
    pub(crate) is_website: bool,
}

/// The tables of one store.
pub(crate) struct Tables {
    client: Client,
}

impl Tables {
    pub(crate) fn new(store: &StoreUrl) -> Self {
        Self { client: store.client() }
    }

    /// Cheap to ask every second. It looks at the rows as they lie, so a merge changes it without need, and
    /// two processes that wrote the same version do not go unseen.
    pub(crate) async fn fingerprint(&self) -> Result<Fingerprint, DirectoryError> {
        let query = self.client.query(
            "SELECT count() AS rows, sum(hash) AS sum FROM (
                SELECT cityHash64('accounts', id, version) AS hash FROM accounts
                UNION ALL SELECT cityHash64('users', id, version, key_hash) FROM users
                UNION ALL SELECT cityHash64('websites', id, version, claimed_at) FROM websites
             )",
        );
        within(query.fetch_one()).await
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountRow>, DirectoryError> {
        all(&self.client, "SELECT ?fields FROM accounts FINAL WHERE NOT is_deleted").await
    }

    pub(crate) async fn users(&self) -> Result<Vec<UserRow>, DirectoryError> {
        all(&self.client, "SELECT ?fields FROM users FINAL WHERE NOT is_deleted").await
    }

    pub(crate) async fn websites(&self) -> Result<Vec<WebsiteRow>, DirectoryError> {
        all(&self.client, "SELECT ?fields FROM websites FINAL WHERE NOT is_deleted AND version > 1").await
    }

    /// The account's row, deleted or not.
    pub(crate) async fn account(&self, id: Uuid) -> Result<Option<AccountRow>, DirectoryError> {
        by_id(&self.client, "SELECT ?fields FROM accounts FINAL WHERE id = {id:UUID}", id).await
    }

    /// The user's row, deleted or not.
    pub(crate) async fn user(&self, id: Uuid) -> Result<Option<UserRow>, DirectoryError> {
        by_id(&self.client, "SELECT ?fields FROM users FINAL WHERE id = {id:UUID}", id).await
    }

    /// The website's row, unless it is deleted or a mere reservation.
    pub(crate) async fn website(&self, id: Uuid) -> Result<Option<WebsiteRow>, DirectoryError> {
        by_id(
            &self.client,
            "SELECT ?fields FROM websites FINAL WHERE id = {id:UUID} AND NOT is_deleted AND version > 1",
            id,
        )
        .await
    }

    /// Who claims a domain of an account now. Reservations that a dead process left behind have lapsed.
    pub(crate) async fn claims(&self, account: Uuid, domain: &str) -> Result<Vec<ClaimRow>, DirectoryError> {
        let query = self
            .client
            .query(
                "SELECT id, claimed_at, toBool(version > 1) AS is_website
                 FROM websites FINAL
                 WHERE account_id = {account:UUID} AND domain = {domain:String} AND NOT is_deleted
                   AND (version > 1 OR claimed_at > now64(9) - toIntervalSecond({lapse:UInt64}))",
            )
            .param("account", account.to_string())
            .param("domain", domain)
            .param("lapse", bounds::CLAIM_LAPSES_AFTER.as_secs());
        within(query.fetch_all()).await
    }

    /// Marks what belongs to a deleted account or website as deleted too.
    pub(crate) async fn bury_orphans(&self) -> Result<(), DirectoryError> {
        within(schema::erase::bury_orphans(&self.client)).await
    }

    pub(crate) async fn put_account(&self, row: &AccountRow) -> Result<(), DirectoryError> {
        put(&self.client, "accounts", row).await
    }

    pub(crate) async fn put_user(&self, row: &UserRow) -> Result<(), DirectoryError> {
        put(&self.client, "users", row).await
    }

    pub(crate) async fn put_audit(&self, row: &AuditRow) -> Result<(), DirectoryError> {
        within(schema::audit::record(&self.client, row)).await
    }

    pub(crate) async fn put_website(&self, row: &WebsiteRow) -> Result<(), DirectoryError> {
        put(&self.client, "websites", row).await
    }
}

async fn all<T: RowOwned + RowRead>(client: &Client, sql: &'static str) -> Result<Vec<T>, DirectoryError> {
    within(client.query(sql).fetch_all()).await
}

async fn by_id<T>(client: &Client, sql: &'static str, id: Uuid) -> Result<Option<T>, DirectoryError>
where
    T: RowOwned + RowRead,
{
    within(client.query(sql).param("id", id.to_string()).fetch_optional()).await
}

async fn put<T: RowOwned + RowWrite>(client: &Client, table: &str, row: &T) -> Result<(), DirectoryError> {
    within(async {
        let mut insert = client.insert::<T>(table).await?;
        insert.write(row).await?;
        insert.end().await
    })
    .await
}

async fn within<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, DirectoryError> {
    match timeout(bounds::STORE_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_times_and_always_grow() {
        assert_eq!(next_version(None, 1_700_000_000_000), 1_700_000_000_000);
        assert_eq!(next_version(Some(5), 1_700_000_000_000), 1_700_000_000_000);
        assert_eq!(next_version(Some(1_700_000_000_000), 1_600_000_000_000), 1_700_000_000_001);
        assert_eq!(next_version(None, -1), FIRST, "never a reservation's");
    }
}
