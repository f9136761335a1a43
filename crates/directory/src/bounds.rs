//! How large everything in the directory may be. Lengths are in characters, unless they say otherwise.

use std::time::Duration;

/// An account's name is a label in lists.
pub const ACCOUNT_NAME: usize = 255;

/// An e-mail address is at most 254 characters long (RFC 5321), and here it is only a label.
pub const EMAIL: usize = 255;

/// A domain name, as published; DNS itself stops at 253.
pub const DOMAIN: usize = 255;

/// Content groups of a website: every page view is compared with each of them until one matches.
pub const CONTENT_GROUPS: usize = 100;

/// A content group's name is stored on every event of the group.
pub const GROUP_NAME: usize = 100;

/// A content group's pattern: longer than any path that people group by hand.
pub const GROUP_PATTERN: usize = 500;

/// Excluded addresses and ranges of a website: ranges are compared one by one with every event's address.
pub const EXCLUDED_IPS: usize = 1_000;

/// The longest retention, in days: a century. Longer is for ever, which is said by none.
pub const RETENTION_DAYS: u16 = 36_525;

/// The fewest characters of a key that is given from outside: fewer can be guessed.
pub const GIVEN_KEY_MIN: usize = 16;

/// The longest key, given or presented: nothing longer is worth hashing.
pub const KEY_MAX: usize = 256;

/// How often a process looks whether the tables have changed. A change elsewhere is seen after this and one
/// query, so within 2 s.
pub const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// The longest wait for one answer of the store; the tables are small, so a longer one is an outage.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the earliest of several claims of a domain waits for the others to yield before it yields itself.
pub const CLAIM_PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at the rivals of a claim.
pub const CLAIM_POLL: Duration = Duration::from_millis(20);

/// A reservation of a domain that is older than this was left behind by a process that died. It is longer than
/// a claim can take: the insert, the patience, the last look and the website's own insert.
pub const CLAIM_LAPSES_AFTER: Duration = Duration::from_mins(1);
