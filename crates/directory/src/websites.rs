//! Websites are made and changed.

use std::sync::Arc;

use schema::rows::WebsiteRow;
use uuid::Uuid;

use crate::claim::Claim;
use crate::content_groups::ContentGroups;
use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::excluded_ips::ExcludedIps;
use crate::model::{NewWebsite, Website, WebsiteChange};
use crate::tables::next_version;
use crate::{snapshot, validate};

impl Directory {
    /// Makes a website. Runs to its end even when the caller goes away, so that no reservation is left behind.
    pub async fn add_website(self: &Arc<Self>, new: NewWebsite) -> Result<Arc<Website>, DirectoryError> {
        let now = self.clock.now();
        let row = WebsiteRow {
            id: Uuid::new_v4(),
            account_id: new.account_id,
            domain: validate::domain(&new.domain)?,
            timezone: validate::timezone(new.timezone.as_deref())?.name().to_owned(),
            content_groups: ContentGroups::parse(new.content_groups)?.to_pairs(),
            excluded_ips: ExcludedIps::parse(new.excluded_ips)?.into_texts(),
            respect_dnt: new.respect_dnt,
            created_at: now,
            version: next_version(None, now),
            is_deleted: false,
        };
        let directory = Arc::clone(self);
        to_the_end(async move { directory.insert_website(row).await }).await
    }

    async fn insert_website(&self, row: WebsiteRow) -> Result<Arc<Website>, DirectoryError> {
        let _writing = self.writing.lock().await;
        self.require_account(row.account_id).await?;
        // The website's row has the reservation's id and replaces it, so there is nothing to let go of.
        let _claim = Claim::take(&self.tables, &row, row.id).await?;
        self.tables.put_website(&row).await?;
        self.see_own_write().await;
        Ok(Arc::new(snapshot::website(row)))
    }

    /// Changes a website's settings. Of two processes that change one website at the same moment, the later one's
    /// settings stay, all of them. Runs to its end even when the caller goes away.
    pub async fn update_website(
        self: &Arc<Self>,
        id: Uuid,
        change: WebsiteChange,
    ) -> Result<Arc<Website>, DirectoryError> {
        let domain = change.domain.as_deref().map(validate::domain).transpose()?;
        let timezone = change.timezone.as_deref().map(|name| validate::timezone(Some(name))).transpose()?;
        let content_groups = change.content_groups.map(ContentGroups::parse).transpose()?;
        let excluded_ips = change.excluded_ips.map(ExcludedIps::parse).transpose()?;
        let apply = move |row: &mut WebsiteRow| {
            if let Some(domain) = domain {
                row.domain = domain;
            }
            if let Some(timezone) = timezone {
                timezone.name().clone_into(&mut row.timezone);
            }
            if let Some(content_groups) = content_groups {
                row.content_groups = content_groups.to_pairs();
            }
            if let Some(excluded_ips) = excluded_ips {
                row.excluded_ips = excluded_ips.into_texts();
            }
            if let Some(respect_dnt) = change.respect_dnt {
                row.respect_dnt = respect_dnt;
            }
        };
        let directory = Arc::clone(self);
        to_the_end(async move { directory.replace_website(id, apply).await }).await
    }

    async fn replace_website(
        &self,
        id: Uuid,
        apply: impl FnOnce(&mut WebsiteRow),
    ) -> Result<Arc<Website>, DirectoryError> {
        let _writing = self.writing.lock().await;
        let old = self.tables.website(id).await?.ok_or(DirectoryError::NotFound("Website"))?;
        let mut row = old.clone();
        apply(&mut row);
        if row == old {
            return Ok(Arc::new(snapshot::website(row)));
        }
        row.version = next_version(Some(old.version), self.clock.now());
        if row.domain == old.domain {
            self.tables.put_website(&row).await?;
        } else {
            // The website keeps its old domain until the new one is certain, so the claim has an id of its own.
            let claim = Claim::take(&self.tables, &row, Uuid::new_v4()).await?;
            self.tables.put_website(&row).await?;
            if let Err(error) = claim.release().await {
                let cause = service::problem::chain(&error);
                tracing::warn!(website = %id, cause, "A reservation could not be released; it will lapse.");
            }
        }
        self.see_own_write().await;
        Ok(Arc::new(snapshot::website(row)))
    }
}

/// A request whose client hangs up is dropped wherever it waits; a write must not be.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, DirectoryError>> + Send + 'static,
) -> Result<T, DirectoryError> {
    tokio::spawn(work).await.map_err(DirectoryError::Interrupted)?
}
