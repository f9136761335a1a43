//! Accounts and users are made, keys are shown again, users go.

use schema::rows::{AccountRow, UserRow};
use uuid::Uuid;

use crate::audit::{Act, Action};
use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::keys::ApiKey;
use crate::model::{Account, NewUser, Role, User};
use crate::tables::next_version;
use crate::{snapshot, validate};

impl Directory {
    /// Makes an account. Names need not be unique.
    pub async fn add_account(&self, name: &str) -> Result<Account, DirectoryError> {
        let name = validate::account_name(name)?;
        let now = self.clock.now();
        let row = AccountRow {
            id: Uuid::new_v4(),
            name,
            created_at: now,
            version: next_version(None, now),
            is_deleted: false,
        };
        let _writing = self.writing.lock().await;
        self.tables.put_account(&row).await?;
        self.see_own_write().await;
        Ok(snapshot::account(row))
    }

    /// Makes a user with a new key.
    pub async fn add_user(&self, new: NewUser) -> Result<(User, ApiKey), DirectoryError> {
        let email = validate::email(&new.email)?;
        let _writing = self.writing.lock().await;
        self.require_account(new.account_id).await?;
        if let Some(website) = new.website_id {
            self.require_bindable(website, &new).await?;
        }
        let (id, key, now) = (Uuid::new_v4(), ApiKey::generate()?, self.clock.now());
        let row = UserRow {
            id,
            account_id: new.account_id,
            website_id: new.website_id.unwrap_or_default(),
            email,
            role: new.role.as_str().to_owned(),
            key_hash: key.hash().to_string(),
            key_sealed: self.sealer.seal(&key, id)?,
            created_at: now,
            version: next_version(None, now),
            is_deleted: false,
        };
        self.tables.put_user(&row).await?;
        self.see_own_write().await;
        Ok((snapshot::user(row), key))
    }

    /// A user's key, again. It is not given before its reading is in the audit log.
    pub async fn reveal_key(&self, user: Uuid, reader: &User) -> Result<ApiKey, DirectoryError> {
        let row = self.existing_user(user).await?;
        let key = self.sealer.open(&row.key_sealed, user)?;
        self.record(&Act::on_user(reader, Action::RevealKey, &snapshot::user(row))).await?;
        tracing::info!(%user, reader = %reader.id, "An API key was revealed.");
        Ok(key)
    }

    /// Deletes a user; the key stops working at once here, and within 2 s in other processes.
    pub async fn delete_user(&self, user: Uuid) -> Result<User, DirectoryError> {
        let _writing = self.writing.lock().await;
        let row = self.existing_user(user).await?;
        let version = next_version(Some(row.version), self.clock.now());
        // Neither the hash nor the copy of a key that is no longer one is kept.
        let (key_hash, key_sealed) = (String::new(), String::new());
        let row = UserRow { version, is_deleted: true, key_hash, key_sealed, ..row };
        self.tables.put_user(&row).await?;
        self.see_own_write().await;
        tracing::info!(%user, "A user was deleted.");
        Ok(snapshot::user(row))
    }

    async fn existing_user(&self, user: Uuid) -> Result<UserRow, DirectoryError> {
        let row = self.tables.user(user).await?;
        row.filter(|row| !row.is_deleted).ok_or(DirectoryError::NotFound("User"))
    }

    /// Refuses to bind a key to a website of another account, and an admin's key to any.
    async fn require_bindable(&self, website: Uuid, new: &NewUser) -> Result<(), DirectoryError> {
        if new.role == Role::Admin {
            let message = "website_id: an admin's key is good for every website.";
            return Err(DirectoryError::invalid("website_id", message));
        }
        match self.tables.website(website).await? {
            Some(row) if row.account_id == new.account_id => Ok(()),
            _ => Err(DirectoryError::invalid("website_id", "website_id: this website was not found.")),
        }
    }

    /// Refuses an account that is not there. Asks the store, since another process may have just made it.
    pub(crate) async fn require_account(&self, account: Uuid) -> Result<(), DirectoryError> {
        match self.tables.account(account).await? {
            Some(row) if !row.is_deleted => Ok(()),
            _ => Err(DirectoryError::invalid("account_id", "account_id: this account was not found.")),
        }
    }
}
