//! Who may ask what, and which websites there are: accounts, users, keys and websites.
//!
//! The rows live in ClickHouse ([`schema::rows`]); every process holds all of them in memory as a [`Snapshot`],
//! which is replaced as a whole when the tables have changed. Readers never wait and never ask the store.
//!
//! * [`Directory`]: opens, refreshes and changes,
//! * [`Snapshot`]: what was last read: look-ups by id and by key,
//! * [`audit`]: who did what, written beside the doing,
//! * [`auth`]: extractors that turn a key into a [`Caller`],
//! * [`ContentGroups`] and [`ExcludedIps`]: a website's settings, compiled once,
//! * [`bounds`]: how large everything may be.
//!
//! A deleted account or website is a tombstone: it is absent for everybody at once, and `schema::erase` removes its data.

pub mod audit;
pub mod auth;
mod bootstrap;
pub mod bounds;
mod claim;
mod content_groups;
mod delete;
mod directory;
mod error;
mod excluded_ips;
mod glob;
mod keys;
mod model;
mod people;
mod snapshot;
mod tables;
mod validate;
mod websites;

pub use audit::{Act, Action};
pub use auth::{Admin, Bearer, Caller};
pub use bootstrap::{ADMIN_KEY_VARIABLE, BOOTSTRAP_ADMIN, DEFAULT_ACCOUNT};
pub use content_groups::{ContentGroup, ContentGroups};
pub use directory::Directory;
pub use error::DirectoryError;
pub use excluded_ips::ExcludedIps;
pub use glob::Glob;
pub use keys::ApiKey;
pub use model::{Account, NewUser, NewWebsite, Role, User, Website, WebsiteChange};
pub use snapshot::Snapshot;
