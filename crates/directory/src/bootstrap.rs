//! The first start: an account and an admin, so that somebody can call the API at all.
//!
//! Both have fixed ids, and the admin's first key is derived from the master key: processes that start together
//! write the same rows, and each knows the key.

use schema::rows::{AccountRow, UserRow};
use uuid::Uuid;

use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::keys::ApiKey;
use crate::model::Role;
use crate::tables::next_version;

/// The account that is made at the first start.
pub const DEFAULT_ACCOUNT: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);

/// The admin that is made at the first start.
pub const BOOTSTRAP_ADMIN: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0002);

/// The environment variable that gives the first admin's key.
pub const ADMIN_KEY_VARIABLE: &str = "FOOTFALL_ADMIN_KEY";

impl Directory {
    /// Makes the account "Default" and its admin, unless they are there. Returns the admin's key when it was made
    /// now; it is for the operator's eyes, once.
    ///
    /// With `given` (the value of [`ADMIN_KEY_VARIABLE`]) the admin's key is that one from now on, whatever it was
    /// before, an admin that was deleted comes back, and nothing is returned.
    pub async fn bootstrap_admin(&self, given: Option<&str>) -> Result<Option<ApiKey>, DirectoryError> {
        let given = given.map(|text| ApiKey::given(ADMIN_KEY_VARIABLE, text)).transpose()?;
        let _writing = self.writing.lock().await;
        let current = self.tables.user(BOOTSTRAP_ADMIN).await?;
        let key = match (&current, &given) {
            (Some(_), None) => return Ok(None),
            (Some(row), Some(given)) if !row.is_deleted && row.key_hash == given.hash().to_string() => {
                return Ok(None);
            }
            (_, Some(given)) => given,
            (None, None) => &self.first_key,
        };
        self.refuse_key_of_another(key).await?;
        self.make_default_account().await?;
        self.put_admin(current, key).await?;
        self.see_own_write().await;
        let stored = self.tables.user(BOOTSTRAP_ADMIN).await?;
        if stored.is_none_or(|row| row.key_hash != key.hash().to_string()) {
            // Processes that share a store must share the master key and the variable.
            tracing::warn!(
                "Another process has just set another key for the first admin; that one is valid."
            );
            return Ok(None);
        }
        Ok(if given.is_none() { Some(key.clone()) } else { None })
    }

    /// One key is one user's: otherwise nobody could tell whose rights it gives.
    async fn refuse_key_of_another(&self, key: &ApiKey) -> Result<(), DirectoryError> {
        self.refresh().await?;
        match self.snapshot().user_by_key(&key.to_string()) {
            Some(user) if user.id != BOOTSTRAP_ADMIN => {
                let message = format!("{ADMIN_KEY_VARIABLE} is another user's API key; choose a new one.");
                Err(DirectoryError::invalid(ADMIN_KEY_VARIABLE, message))
            }
            _ => Ok(()),
        }
    }

    async fn make_default_account(&self) -> Result<(), DirectoryError> {
        let current = self.tables.account(DEFAULT_ACCOUNT).await?;
        if current.as_ref().is_some_and(|row| !row.is_deleted) {
            return Ok(());
        }
        let now = self.clock.now();
        let row = AccountRow {
            id: DEFAULT_ACCOUNT,
            name: "Default".into(),
            created_at: now,
            // An admin who comes back needs the account that was deleted with the admin.
            version: next_version(current.map(|row| row.version), now),
            is_deleted: false,
        };
        self.tables.put_account(&row).await
    }

    async fn put_admin(&self, current: Option<UserRow>, key: &ApiKey) -> Result<(), DirectoryError> {
        let now = self.clock.now();
        let row = UserRow {
            id: BOOTSTRAP_ADMIN,
            account_id: DEFAULT_ACCOUNT,
            website_id: Uuid::nil(),
            email: current.as_ref().map_or_else(|| "admin".into(), |row| row.email.clone()),
            role: Role::Admin.as_str().into(),
            key_hash: key.hash().to_string(),
            key_sealed: self.sealer.seal(key, BOOTSTRAP_ADMIN)?,
            created_at: current.as_ref().map_or(now, |row| row.created_at),
            version: next_version(current.map(|row| row.version), now),
            is_deleted: false,
        };
        self.tables.put_user(&row).await?;
        tracing::info!(user = %BOOTSTRAP_ADMIN, "The first admin's key was set.");
        Ok(())
    }
}
