//! The audit log: who did what to which account, user or website. An entry is written beside the doing, and never
//! changed. It holds no secret and no personal data: ids, settings' names, dates.

use std::sync::Arc;

use schema::rows::AuditRow;
use uuid::Uuid;

use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::model::{User, Website};
use crate::websites::to_the_end;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An account was made.
    CreateAccount,
    /// A user was made, and with it a key.
    CreateUser,
    /// A user was deleted, and with it the key.
    DeleteUser,
    /// A user's key was shown again.
    RevealKey,
    /// A website was made.
    CreateWebsite,
    /// A website's settings were changed.
    UpdateWebsite,
    /// A website was deleted, and its data with it.
    DeleteWebsite,
    /// An account was deleted, with its users, websites and all of their data.
    DeleteAccount,
    /// The erasure of a visitor was asked for.
    EraseVisitor,
    /// A day's rollups were made equal to its events again.
    Aggregate,
}

impl Action {
    /// The action as it is stored: what it is about and what happened to it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateAccount => "account.create",
            Self::CreateUser => "user.create",
            Self::DeleteUser => "user.delete",
            Self::RevealKey => "user.reveal_key",
            Self::CreateWebsite => "website.create",
            Self::UpdateWebsite => "website.update",
            Self::DeleteWebsite => "website.delete",
            Self::DeleteAccount => "account.delete",
            Self::EraseVisitor => "visitor.erase",
            Self::Aggregate => "admin.aggregate",
        }
    }
}

/// One thing that somebody did.
#[derive(Debug, Clone)]
pub struct Act {
    actor: Uuid,
    action: Action,
    account_id: Uuid,
    website_id: Uuid,
    subject: String,
    detail: String,
}

impl Act {
    /// Something that is about no account: `subject` is an id, a date or a hash.
    pub fn new(actor: &User, action: Action, subject: String) -> Self {
        Self {
            actor: actor.id,
            action,
            account_id: Uuid::nil(),
            website_id: Uuid::nil(),
            subject,
            detail: "{}".into(),
        }
    }

    /// Something that is about an account.
    pub fn on_account(actor: &User, action: Action, account: Uuid) -> Self {
        Self { account_id: account, ..Self::new(actor, action, account.to_string()) }
    }

    /// Something that is about a user.
    pub fn on_user(actor: &User, action: Action, user: &User) -> Self {
        let website_id = user.website_id.unwrap_or_default();
        let detail = ["{\"role\":\"", user.role.as_str(), "\"}"].concat();
        Self {
            account_id: user.account_id,
            website_id,
            detail,
            ..Self::new(actor, action, user.id.to_string())
        }
    }

    /// Something that is about a website. `settings` are the names of those that were given.
    pub fn on_website(actor: &User, action: Action, website: &Website, settings: &[&'static str]) -> Self {
        let names = settings.join("\",\"");
        let detail =
            if settings.is_empty() { "{}".into() } else { ["{\"settings\":[\"", &names, "\"]}"].concat() };
        Self {
            account_id: website.account_id,
            website_id: website.id,
            detail,
            ..Self::new(actor, action, website.id.to_string())
        }
    }

    /// The same about something more particular: an id, a date or a hash.
    #[must_use]
    pub fn about(self, subject: String) -> Self {
        Self { subject, ..self }
    }

    /// The same with how it went, as a JSON object of numbers and names.
    #[must_use]
    pub fn with(self, detail: String) -> Self {
        Self { detail, ..self }
    }
}

impl Directory {
    /// Does something and writes down who did it. Runs to its end even when the caller goes away, so that nothing is
    /// done without its entry. What was done stands also when the entry cannot be written: then the log has it.
    pub async fn audited<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<(T, Act), DirectoryError>> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let directory = Arc::clone(self);
        to_the_end(async move {
            let (done, act) = work.await?;
            if let Err(error) = directory.record(&act).await {
                let cause = service::problem::chain(&error);
                tracing::error!(
                    actor = %act.actor, action = act.action.as_str(), subject = act.subject, detail = act.detail, cause,
                    "Something was done, and its entry in the audit log could not be written."
                );
            }
            Ok(done)
        })
        .await
    }

    /// Writes an entry. For what must not happen without one: write first, then do it.
    pub async fn record(&self, act: &Act) -> Result<(), DirectoryError> {
        let row = AuditRow {
            at: self.clock.now(),
            actor: act.actor.to_string(),
            action: act.action.as_str().to_owned(),
            account_id: act.account_id,
            website_id: act.website_id,
            subject: act.subject.clone(),
            detail: act.detail.clone(),
        };
        self.tables.put_audit(&row).await
    }
}
