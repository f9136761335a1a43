//! Websites and accounts are deleted: from one moment to the next they are absent, here at once and in other processes
//! within 2 s. Their tombstones are the order to remove their data, which `schema::erase` does.

use std::sync::Arc;

use schema::rows::{AccountRow, WebsiteRow};
use uuid::Uuid;

use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::model::{Account, Website};
use crate::snapshot;
use crate::tables::{DELETED, next_version};
use crate::websites::to_the_end;

impl Directory {
    /// Deletes a website, and the keys that are good for it only. Returns what it was. Runs to its end even when the caller
    /// goes away.
    pub async fn delete_website(self: &Arc<Self>, id: Uuid) -> Result<Arc<Website>, DirectoryError> {
        let directory = Arc::clone(self);
        to_the_end(async move {
            let _writing = directory.writing.lock().await;
            let row = directory.tables.website(id).await?.ok_or(DirectoryError::NotFound("Website"))?;
            directory.tables.put_website(&tombstone(&row)).await?;
            directory.tables.bury_orphans().await?;
            directory.see_own_write().await;
            tracing::info!(website = %id, "A website was deleted.");
            Ok(Arc::new(snapshot::website(row)))
        })
        .await
    }

    /// Deletes an account with its users and websites. Returns what it was. Runs to its end even when the caller goes away;
    /// what a process that dies leaves undone of it, upkeep does.
    pub async fn delete_account(self: &Arc<Self>, id: Uuid) -> Result<Account, DirectoryError> {
        let directory = Arc::clone(self);
        to_the_end(async move {
            let _writing = directory.writing.lock().await;
            let row = directory.tables.account(id).await?.filter(|row| !row.is_deleted);
            let row = row.ok_or(DirectoryError::NotFound("Account"))?;
            let version = next_version(Some(row.version), directory.clock.now());
            let tombstone = AccountRow { name: String::new(), version, is_deleted: true, ..row.clone() };
            directory.tables.put_account(&tombstone).await?;
            // Websites first: keys may be bound to one of them.
            directory.tables.bury_orphans().await?;
            directory.see_own_write().await;
            tracing::info!(account = %id, "An account was deleted.");
            Ok(snapshot::account(row))
        })
        .await
    }
}

/// What is kept of a deleted website: that there was one.
fn tombstone(row: &WebsiteRow) -> WebsiteRow {
    WebsiteRow {
        domain: String::new(),
        content_groups: Vec::new(),
        excluded_ips: Vec::new(),
        version: DELETED,
        is_deleted: true,
        ..row.clone()
    }
}
