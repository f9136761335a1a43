//! What the directory holds, in its own words.

use std::str::FromStr;

use chrono_tz::Tz;
use uuid::Uuid;

use crate::content_groups::ContentGroups;
use crate::error::DirectoryError;
use crate::excluded_ips::ExcludedIps;

/// The tenant that owns users and websites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// A label; not unique.
    pub name: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// Somebody with an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// The account whose websites it sees; an admin sees all.
    pub account_id: Uuid,
    /// The only website that its key is good for; `None`: all of the account.
    pub website_id: Option<Uuid>,
    /// A label, not used for login; may be empty, and is not unique.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything, in every account.
    Admin,
    /// The websites and reports of its own account.
    User,
}

impl Role {
    /// The role as published and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

impl FromStr for Role {
    type Err = DirectoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "admin" => Ok(Self::Admin),
            "user" => Ok(Self::User),
            _ => Err(DirectoryError::invalid("role", "role must be \"admin\" or \"user\".")),
        }
    }
}

/// A website whose events are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Website {
    /// Its id: what the tracker sends.
    pub id: Uuid,
    /// The account it belongs to.
    pub account_id: Uuid,
    /// Its host name in lower case, unique within the account.
    pub domain: String,
    /// Where its days begin and end.
    pub timezone: Tz,
    /// Its pages under names.
    pub content_groups: ContentGroups,
    /// Whose events are stored and never counted.
    pub excluded_ips: ExcludedIps,
    /// Whether nothing is stored of visitors who ask not to be tracked (Do Not Track, Global Privacy Control).
    pub respect_dnt: bool,
    /// How many whole days before today are kept; `None`: all.
    pub retention_days: Option<u16>,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The account it is to belong to.
    pub account_id: Uuid,
    /// The only website of that account that the key is to be good for; `None`: all. An admin's key is never bound.
    pub website_id: Option<Uuid>,
    /// A label; may be empty.
    pub email: String,
    /// What it may do.
    pub role: Role,
}

/// A website to be made.
#[derive(Debug, Clone, Default)]
pub struct NewWebsite {
    /// The account it is to belong to.
    pub account_id: Uuid,
    /// A host name; letters may be of either case.
    pub domain: String,
    /// Names and patterns, in order.
    pub content_groups: Vec<(String, String)>,
    /// Addresses and CIDR ranges.
    pub excluded_ips: Vec<String>,
    /// Whether nothing is stored of visitors who ask not to be tracked.
    pub respect_dnt: bool,
    /// How many whole days before today are to be kept; `None`: all.
    pub retention_days: Option<u64>,
    /// An IANA name; UTC when missing.
    pub timezone: Option<String>,
}

/// What is to be different about a website; `None` leaves a setting as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebsiteChange {
    /// A host name; letters may be of either case.
    pub domain: Option<String>,
    /// All names and patterns, in order.
    pub content_groups: Option<Vec<(String, String)>>,
    /// All addresses and CIDR ranges.
    pub excluded_ips: Option<Vec<String>>,
    /// Whether nothing is stored of visitors who ask not to be tracked.
    pub respect_dnt: Option<bool>,
    /// How many whole days before today are to be kept; `Some(None)`: all.
    pub retention_days: Option<Option<u64>>,
    /// An IANA name.
    pub timezone: Option<String>,
}

impl WebsiteChange {
    /// True when it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
