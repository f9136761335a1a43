//! One struct per table that is written row by row, in the table's own words. A test compares them with `DESCRIBE TABLE`.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Milliseconds since 1970-01-01 UTC, as `DateTime64(3)` stores them.
pub type Millis = i64;

/// Days since 1970-01-01, as `Date` stores them.
pub type Day = u16;

/// A row of `events`. The columns are described in `migrations/0001_events.sql` and
/// `0009_compact_events.sql`.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct EventRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub website_id: Uuid,
    pub day: Day,
    pub time: Millis,
    pub received_after_ms: i64,
    pub event_type: String,
    pub event_name: String,
    pub hostname: String,
    pub path: String,
    pub content_group: String,
    pub properties: String,
    pub visitor_id: u64,
    pub is_identified: bool,
    pub person: u64,
    pub is_bot: bool,
    pub bot_reason: String,
    pub is_excluded: bool,
    pub session_id: u64,
    pub session_start: Millis,
    pub session_day: Day,
    pub entry_path: String,
    pub prev_path: String,
    pub visits: i8,
    pub visitors: i8,
    pub bounces: i8,
    pub duration_ms: i64,
    pub entry_lead_ms: i64,
    pub unique_pageview: i8,
    pub referrer: String,
    pub channel: String,
    pub utm_source: String,
    pub utm_medium: String,
    pub utm_campaign: String,
    pub utm_term: String,
    pub utm_content: String,
    pub device_type: String,
    pub browser: String,
    pub os: String,
    pub screen: String,
    pub country: String,
    pub region: String,
    pub city: String,
    pub language: String,
    #[serde(with = "clickhouse::serde::uuid")]
    pub event_id: Uuid,
    pub stream: String,
    pub kafka_partition: u16,
    pub kafka_offset: u64,
    pub epoch: u32,
}

/// A row of `dead_letters`: a record that could not become a row, whole, with the reason.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct DeadLetterRow {
    pub stream: String,
    pub kafka_partition: u16,
    pub kafka_offset: u64,
    pub reason: String,
    pub detail: String,
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    pub recorded_at: Millis,
}

/// A row of `dead_letter_replays`: a step of putting a dead letter into the stream again.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct DeadLetterReplayRow {
    pub stream: String,
    pub kafka_partition: u16,
    pub kafka_offset: u64,
    pub begun: i8,
    pub appended: u8,
    pub recorded_at: Millis,
}

/// A row of `event_claims`, without `written_at`, which is the store's own: that an event wants its id, or when its turn
/// is.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct EventClaimRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub website_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub event_id: Uuid,
    pub stream: String,
    pub kafka_partition: u16,
    pub kafka_offset: u64,
    pub turn: u32,
    pub received_at: Millis,
}

/// A row of `accounts`: the tenant that owns users and websites.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct AccountRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    pub name: String,
    pub created_at: Millis,
    pub version: u64,
    pub is_deleted: bool,
}

/// A row of `users`: somebody with an API key.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct UserRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub account_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub website_id: Uuid,
    pub email: String,
    pub role: String,
    pub key_hash: String,
    pub key_sealed: String,
    pub created_at: Millis,
    pub version: u64,
    pub is_deleted: bool,
}

/// A row of `websites`, without `claimed_at`, which is the store's own.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct WebsiteRow {
    #[serde(with = "clickhouse::serde::uuid")]
    pub id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub account_id: Uuid,
    pub domain: String,
    pub timezone: String,
    pub content_groups: Vec<(String, String)>,
    pub excluded_ips: Vec<String>,
    pub respect_dnt: bool,
    pub created_at: Millis,
    pub version: u64,
    pub is_deleted: bool,
}

/// A row of `audit_log`: who did what to which website or account. No secrets and no personal data.
#[allow(missing_docs)]
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct AuditRow {
    pub at: Millis,
    pub actor: String,
    pub action: String,
    #[serde(with = "clickhouse::serde::uuid")]
    pub account_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    pub website_id: Uuid,
    pub subject: String,
    pub detail: String,
}
