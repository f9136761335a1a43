-- Events: one row per event as received, with its own deltas, so that every report is a sum.
--
-- What a loader writes beside the event's own facts:
--   * the session's facts (source, device, place…) stamped on each of its events,
--   * small signed numbers: what this event changes in the counts of its session and its day.
-- The deduplication window lets a loader repeat an insert under the same token without doubling it.
CREATE TABLE IF NOT EXISTS events
(
    website_id        UUID,
    day               Date                   COMMENT 'calendar day of the event in the website''s time zone',
    time              DateTime64(3, 'UTC')   COMMENT 'when it happened',
    received_at       DateTime64(3, 'UTC')   COMMENT 'when a collector received it',

    event_type        LowCardinality(String),
    event_name        LowCardinality(String) COMMENT 'name of a custom event, else empty',
    hostname          LowCardinality(String),
    path              String                 CODEC(ZSTD(1)),
    content_group     LowCardinality(String) COMMENT 'first group whose pattern matches the path, else empty',
    properties        String                 COMMENT 'JSON object as text, else empty' CODEC(ZSTD(1)),

    visitor_id        UInt64                 CODEC(ZSTD(1)),
    is_identified     Bool                   COMMENT 'the caller gave a user id: the same visitor on every day',
    person            UInt64                 COMMENT 'whose session it is, where that is not the visitor; else 0' CODEC(ZSTD(1)),
    is_bot            Bool,
    bot_reason        LowCardinality(String),
    is_excluded       Bool                   COMMENT 'stored, never counted',

    session_id        UInt64                 COMMENT '0: the event belongs to no session' CODEC(ZSTD(1)),
    session_start     DateTime64(3, 'UTC')   CODEC(ZSTD(1)),
    session_day       Date                   COMMENT 'day of the session''s start; a session''s facts belong to it',
    entry_path        String                 COMMENT 'path of the session''s first page view, from that one on' CODEC(ZSTD(1)),
    prev_path         String                 COMMENT 'the page the exit moves away from; the own path when the exit does not move' CODEC(ZSTD(1)),

    visits            Int8                   COMMENT '1 on the event that starts a session',
    visitors          Int8                   COMMENT '1 on a visitor''s first event of the day',
    bounces           Int8                   COMMENT '+1 when the session becomes a bounce, -1 when it stops being one',
    duration_ms       Int64                  COMMENT 'how much the event lengthens the session' CODEC(ZSTD(1)),
    entry_duration_ms Int64                  COMMENT 'the same for sums by entry page: on the event that makes the entry, the whole duration so far' CODEC(ZSTD(1)),
    unique_pageview   Int8                   COMMENT '1 on the session''s first view of the path',

    referrer          LowCardinality(String) COMMENT 'the session''s referring domain, else empty',
    channel           LowCardinality(String),
    utm_source        LowCardinality(String),
    utm_medium        LowCardinality(String),
    utm_campaign      LowCardinality(String),
    utm_term          LowCardinality(String),
    utm_content       LowCardinality(String),
    device_type       LowCardinality(String),
    browser           LowCardinality(String),
    os                LowCardinality(String),
    screen            LowCardinality(String) COMMENT 'bucket of the viewport''s width',
    country           LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2, else empty',
    region            LowCardinality(String),
    city              LowCardinality(String),
    language          LowCardinality(String),

    event_id          UUID                   COMMENT 'from the caller''s event id; zero when none was given',
    stream            LowCardinality(String) COMMENT 'which stream the offsets belong to',
    kafka_partition   UInt16,
    kafka_offset      UInt64                 CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, visitor_id, time)
SETTINGS non_replicated_deduplication_window = 10000;
