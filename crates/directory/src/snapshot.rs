//! What was last read from the tables, as one value that never changes.
//!
//! A row that somebody broke by hand must not stop the house: it is logged, and what can be read of it is used.

use std::collections::HashMap;
use std::sync::Arc;

use chrono_tz::Tz;
use schema::rows::{AccountRow, UserRow, WebsiteRow};
use uuid::Uuid;

use crate::bounds;
use crate::content_groups::ContentGroups;
use crate::excluded_ips::ExcludedIps;
use crate::keys::KeyHash;
use crate::model::{Account, Role, User, Website};

/// All accounts, users and websites as of one reading. Lists are in the order of making.
#[derive(Debug, Default)]
pub struct Snapshot {
    accounts: Listed<Account>,
    users: Listed<User>,
    websites: Listed<Website>,
    keys: HashMap<KeyHash, Arc<User>>,
}

impl Snapshot {
    pub(crate) fn of_rows(accounts: Vec<AccountRow>, users: Vec<UserRow>, websites: Vec<WebsiteRow>) -> Self {
        let mut keys = HashMap::with_capacity(users.len());
        let users = users.into_iter().map(|row| {
            let hash = KeyHash::parse(&row.key_hash);
            let user = Arc::new(user(row));
            match hash {
                Some(hash) => {
                    keys.insert(hash, Arc::clone(&user));
                }
                None => {
                    tracing::warn!(user = %user.id, "The user's key_hash is no SHA-256; no key is theirs.");
                }
            }
            user
        });
        let users = Listed::new(users, |user| (user.created_at, user.id));
        let accounts = accounts.into_iter().map(|row| Arc::new(account(row)));
        let websites = websites.into_iter().map(|row| Arc::new(website(row)));
        Self {
            accounts: Listed::new(accounts, |account| (account.created_at, account.id)),
            websites: Listed::new(websites, |website| (website.created_at, website.id)),
            users,
            keys,
        }
    }

    /// All accounts.
    pub fn accounts(&self) -> &[Arc<Account>] {
        &self.accounts.in_order
    }

    /// The account with this id.
    pub fn account(&self, id: Uuid) -> Option<&Arc<Account>> {
        self.accounts.by_id.get(&id)
    }

    /// All users.
    pub fn users(&self) -> &[Arc<User>] {
        &self.users.in_order
    }

    /// The user with this id.
    pub fn user(&self, id: Uuid) -> Option<&Arc<User>> {
        self.users.by_id.get(&id)
    }

    /// The user whose API key this is.
    pub fn user_by_key(&self, presented: &str) -> Option<Arc<User>> {
        if presented.len() > bounds::KEY_MAX {
            return None;
        }
        self.keys.get(&KeyHash::of(presented)).cloned()
    }

    /// All websites, of all accounts.
    pub fn websites(&self) -> &[Arc<Website>] {
        &self.websites.in_order
    }

    /// The website with this id.
    pub fn website(&self, id: Uuid) -> Option<&Arc<Website>> {
        self.websites.by_id.get(&id)
    }
}

/// Things in order and by id.
#[derive(Debug)]
struct Listed<T> {
    in_order: Vec<Arc<T>>,
    by_id: HashMap<Uuid, Arc<T>>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { in_order: Vec::new(), by_id: HashMap::new() }
    }
}

impl<T> Listed<T> {
    /// `key` tells the time of making and the id.
    fn new(things: impl Iterator<Item = Arc<T>>, key: impl Fn(&T) -> (i64, Uuid)) -> Self {
        let mut in_order: Vec<_> = things.collect();
        in_order.sort_by_key(|thing| key(thing));
        let by_id = in_order.iter().map(|thing| (key(thing).1, Arc::clone(thing))).collect();
        Self { in_order, by_id }
    }
}

pub(crate) fn account(row: AccountRow) -> Account {
    Account { id: row.id, name: row.name, created_at: row.created_at }
}

pub(crate) fn user(row: UserRow) -> User {
    let role = row.role.parse().unwrap_or_else(|_| {
        tracing::warn!(user = %row.id, role = row.role, "The user's role is unknown; it may do the least.");
        Role::User
    });
    User {
        id: row.id,
        account_id: row.account_id,
        website_id: Some(row.website_id).filter(|website| !website.is_nil()),
        email: row.email,
        role,
        created_at: row.created_at,
    }
}

pub(crate) fn website(row: WebsiteRow) -> Website {
    let timezone = row.timezone.parse().unwrap_or_else(|_| {
        tracing::warn!(website = %row.id, timezone = row.timezone, "The time zone is unknown; UTC is used.");
        Tz::UTC
    });
    let (excluded_ips, unreadable) = ExcludedIps::stored(row.excluded_ips);
    if !unreadable.is_empty() {
        tracing::warn!(website = %row.id, entries = unreadable.len(), "Some excluded IPs cannot be read; they exclude nobody.");
    }
    Website {
        id: row.id,
        account_id: row.account_id,
        domain: row.domain,
        timezone,
        content_groups: ContentGroups::stored(row.content_groups),
        excluded_ips,
        respect_dnt: row.respect_dnt,
        retention_days: Some(row.retention_days).filter(|days| *days > 0),
        created_at: row.created_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_row(key_hash: String, role: &str, created_at: i64) -> UserRow {
        UserRow {
            id: Uuid::new_v4(),
            account_id: Uuid::nil(),
            website_id: Uuid::nil(),
            email: String::new(),
            role: role.into(),
            key_hash,
            key_sealed: String::new(),
            created_at,
            version: 2,
            is_deleted: false,
        }
    }

    #[test]
    fn a_user_is_found_by_the_key_and_by_nothing_else() {
        let row = user_row(KeyHash::of("tt_secret").to_string(), "admin", 0);
        let snapshot = Snapshot::of_rows(vec![], vec![row.clone()], vec![]);
        assert_eq!(snapshot.user_by_key("tt_secret").unwrap().id, row.id);
        for other in ["", "tt_secret ", "TT_SECRET", &row.key_hash, &"a".repeat(100_000)] {
            assert!(snapshot.user_by_key(other).is_none());
        }
    }

    #[test]
    fn a_broken_user_row_has_no_key_or_the_least_rights() {
        let rows = vec![
            user_row("nonsense".into(), "admin", 1),
            user_row(KeyHash::of("key").to_string(), "emperor", 2),
        ];
        let snapshot = Snapshot::of_rows(vec![], rows, vec![]);
        assert_eq!(snapshot.users().len(), 2);
        assert_eq!(snapshot.user_by_key("key").unwrap().role, Role::User);
    }

    #[test]
    fn a_broken_website_row_counts_in_utc() {
        let row = WebsiteRow {
            id: Uuid::new_v4(),
            account_id: Uuid::nil(),
            domain: "example.com".into(),
            timezone: "Mars/Olympus".into(),
            content_groups: vec![(String::new(), String::new())],
            excluded_ips: vec!["nonsense".into()],
            respect_dnt: false,
            retention_days: 0,
            created_at: 0,
            version: 2,
            is_deleted: false,
        };
        let snapshot = Snapshot::of_rows(vec![], vec![], vec![row.clone()]);
        assert_eq!(snapshot.website(row.id).unwrap().timezone, Tz::UTC);
    }

    #[test]
    fn lists_are_in_the_order_of_making() {
        let rows = [3, 1, 2].map(|at| user_row(String::new(), "user", at)).to_vec();
        let snapshot = Snapshot::of_rows(vec![], rows, vec![]);
        assert_eq!(snapshot.users().iter().map(|user| user.created_at).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
