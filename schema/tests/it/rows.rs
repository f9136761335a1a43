//! Rows and tables cannot drift: every struct has its table's columns, and what is written is what is read.

use std::fmt::Debug;

use clickhouse::{Row, RowOwned, RowRead, RowWrite};
use schema::rows::{
    AccountRow, AuditRow, DeadLetterReplayRow, DeadLetterRow, EventClaimRow, EventRow, UserRow, WebsiteRow,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::house::{self, utc};

/// Every struct of `rows.rs`, with its table.
const TABLES: [(&str, &str, &[&str]); 8] = [
    ("EventRow", "events", EventRow::COLUMN_NAMES),
    ("DeadLetterRow", "dead_letters", DeadLetterRow::COLUMN_NAMES),
    ("DeadLetterReplayRow", "dead_letter_replays", DeadLetterReplayRow::COLUMN_NAMES),
    ("EventClaimRow", "event_claims", EventClaimRow::COLUMN_NAMES),
    ("AccountRow", "accounts", AccountRow::COLUMN_NAMES),
    ("UserRow", "users", UserRow::COLUMN_NAMES),
    ("WebsiteRow", "websites", WebsiteRow::COLUMN_NAMES),
    ("AuditRow", "audit_log", AuditRow::COLUMN_NAMES),
];

#[derive(Row, Deserialize)]
struct Column {
    name: String,
    default_kind: String,
}

#[tokio::test]
async fn a_struct_has_its_tables_columns_in_order() {
    let client = house::shared().await;
    for (row, table, columns) in TABLES {
        let described: Vec<Column> = house::rows(
            &client,
            &format!(
                "SELECT name, default_kind FROM system.columns
                 WHERE database = currentDatabase() AND table = '{table}' ORDER BY position"
            ),
        )
        .await;
        // What the store fills in by itself is not the writer's.
        let written: Vec<_> = described
            .iter()
            .filter(|column| column.default_kind.is_empty() || columns.contains(&column.name.as_str()))
            .map(|column| &column.name)
            .collect();
        assert_eq!(columns, written, "{row} and {table} differ");
    }
}

#[test]
fn no_struct_is_left_out() {
    let source = include_str!("../../src/rows.rs");
    let declared: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub struct "))
        .map(|rest| rest.trim_end_matches(" {"))
        .collect();
    assert_eq!(declared, TABLES.map(|(row, _, _)| row));
}

#[tokio::test]
async fn an_event_is_read_as_it_was_written() {
    comes_back("events", event()).await;
}

/// The columns' ends: nothing is cut off, wrapped around or moved by a zone.
#[tokio::test]
async fn an_event_of_extremes_is_read_as_it_was_written() {
    let ends = EventRow {
        day: u16::MAX,
        time: utc(u16::MAX, 23, 59) + 59_999,
        received_after_ms: 250,
        path: "/ä/日本/🦀".repeat(500),
        properties: r#"{"a":"\u0000\"'\\"}"#.into(),
        event_name: "'; DROP TABLE events --\t\n\0".into(),
        visitor_id: u64::MAX,
        person: 1 << 63,
        is_identified: false,
        is_bot: true,
        is_excluded: false,
        session_id: u64::MAX - 1,
        visits: i8::MIN,
        visitors: i8::MAX,
        duration_ms: i64::MIN,
        entry_lead_ms: i64::MAX,
        event_id: Uuid::max(),
        kafka_partition: u16::MAX,
        kafka_offset: u64::MAX,
        ..event()
    };
    comes_back("events", ends).await;
}

#[tokio::test]
async fn a_dead_letter_keeps_bytes_that_are_no_text() {
    let every_byte = (0..=u8::MAX).rev().collect();
    let letter = |offset, payload| DeadLetterRow {
        stream: "stream".into(),
        kafka_partition: 3,
        kafka_offset: offset,
        reason: "malformed".into(),
        detail: "the record cannot be decoded".into(),
        payload,
        recorded_at: utc(20_000, 1, 2) + 345,
    };
    comes_back("dead_letters", letter(1, every_byte)).await;
    comes_back("dead_letters", letter(2, Vec::new())).await;
}

#[tokio::test]
async fn a_replays_step_is_read_as_it_was_written() {
    let step = DeadLetterReplayRow {
        stream: "stream".into(),
        kafka_partition: 3,
        kafka_offset: u64::MAX,
        begun: -1,
        appended: 1,
        recorded_at: utc(20_000, 1, 2) + 345,
    };
    comes_back("dead_letter_replays", step).await;
}

#[tokio::test]
async fn a_claim_is_read_as_it_was_written() {
    let claim = EventClaimRow {
        website_id: Uuid::new_v4(),
        event_id: Uuid::max(),
        stream: "stream".into(),
        kafka_partition: u16::MAX,
        kafka_offset: u64::MAX,
        turn: u32::MAX,
        received_at: utc(20_000, 1, 2) + 345,
    };
    comes_back("event_claims", claim).await;
}

#[tokio::test]
async fn an_account_is_read_as_it_was_written() {
    let account = AccountRow {
        id: Uuid::new_v4(),
        name: "Ann & Söhne".into(),
        created_at: utc(20_001, 2, 3) + 456,
        version: u64::MAX,
        is_deleted: true,
    };
    comes_back("accounts", account).await;
}

#[tokio::test]
async fn a_user_is_read_as_it_was_written() {
    let user = UserRow {
        id: Uuid::new_v4(),
        account_id: Uuid::new_v4(),
        website_id: Uuid::new_v4(),
        email: "ann@example.com".into(),
        role: "owner".into(),
        key_hash: "0123abcd".into(),
        key_sealed: "c2VhbGVk+/=".into(),
        created_at: utc(20_002, 3, 4) + 567,
        version: 2,
        is_deleted: true,
    };
    comes_back("users", user).await;
}

#[tokio::test]
async fn a_website_is_read_as_it_was_written() {
    let website = WebsiteRow {
        id: Uuid::new_v4(),
        account_id: Uuid::new_v4(),
        domain: "example.com".into(),
        timezone: "Asia/Kathmandu".into(),
        content_groups: vec![("Blog".into(), "/blog/*".into()), ("It's all".into(), "*".into())],
        excluded_ips: vec!["192.0.2.0/24".into(), "2001:db8::1".into()],
        respect_dnt: true,
        created_at: utc(20_003, 4, 5) + 678,
        version: 3,
        is_deleted: true,
    };
    let bare = WebsiteRow {
        id: Uuid::new_v4(),
        content_groups: Vec::new(),
        excluded_ips: Vec::new(),
        respect_dnt: false,
        is_deleted: false,
        ..website.clone()
    };
    comes_back("websites", website).await;
    comes_back("websites", bare).await;
}

/// Writes a row and reads the table; the client checks the types of both ways against the table's.
async fn comes_back<T>(table: &str, row: T)
where
    T: RowOwned + RowWrite + RowRead + Debug + PartialEq,
{
    let store = house::missing().await;
    schema::migrate::up(&store).await.unwrap();
    let client = store.client();
    house::insert(&client, table, std::slice::from_ref(&row)).await;
    let columns = T::COLUMN_NAMES.join(", ");
    assert_eq!(house::rows::<T>(&client, &format!("SELECT {columns} FROM {table}")).await, [row]);
}

/// An event with another value in every field.
fn event() -> EventRow {
    EventRow {
        website_id: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        day: 20_514,
        time: utc(20_514, 1, 2) + 3,
        received_after_ms: 250,
        event_type: "event_type".into(),
        event_name: "event_name".into(),
        hostname: "hostname".into(),
        path: "/path".into(),
        content_group: "content_group".into(),
        properties: "{\"properties\":1}".into(),
        visitor_id: 11,
        is_identified: true,
        person: 12,
        is_bot: false,
        bot_reason: "bot_reason".into(),
        is_excluded: true,
        session_id: 13,
        session_start: utc(20_513, 7, 8) + 9,
        session_day: 20_513,
        entry_path: "/entry_path".into(),
        prev_path: "/prev_path".into(),
        visits: 1,
        visitors: 2,
        bounces: -1,
        duration_ms: 14,
        entry_lead_ms: -15,
        unique_pageview: 3,
        referrer: "referrer".into(),
        channel: "channel".into(),
        utm_source: "utm_source".into(),
        utm_medium: "utm_medium".into(),
        utm_campaign: "utm_campaign".into(),
        utm_term: "utm_term".into(),
        utm_content: "utm_content".into(),
        device_type: "device_type".into(),
        browser: "browser".into(),
        os: "os".into(),
        screen: "screen".into(),
        country: "country".into(),
        region: "region".into(),
        city: "city".into(),
        language: "language".into(),
        event_id: Uuid::from_u128(0xf0e0_d0c0_b0a0_9080_7060_5040_3020_1000),
        stream: "stream".into(),
        kafka_partition: 16,
        kafka_offset: 17,
        epoch: 7,
    }
}
