-- What the migrations and rollups make, in the store's own words (SHOW CREATE), by name. Written by
--     FOOTFALL_UPDATE_STRUCTURE=1 cargo test -p schema --test it structure

CREATE TABLE accounts
(
    `id` UUID,
    `name` String,
    `created_at` DateTime64(3, 'UTC'),
    `version` UInt64,
    `is_deleted` Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS index_granularity = 8192;

CREATE TABLE dead_letter_replays
(
    `stream` LowCardinality(String),
    `kafka_partition` UInt16,
    `kafka_offset` UInt64,
    `begun` Int8 COMMENT '1 before the letter is appended, -1 when the stream did not take it',
    `appended` UInt8 COMMENT '1 when the letter is durable in the stream again',
    `recorded_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (stream, kafka_partition, kafka_offset)
SETTINGS index_granularity = 8192;

CREATE TABLE dead_letters
(
    `stream` LowCardinality(String),
    `kafka_partition` UInt16,
    `kafka_offset` UInt64,
    `reason` LowCardinality(String),
    `detail` String,
    `payload` String COMMENT 'the record\'s original bytes',
    `recorded_at` DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (stream, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE event_claims
(
    `website_id` UUID,
    `event_id` UUID,
    `stream` LowCardinality(String),
    `kafka_partition` UInt16,
    `kafka_offset` UInt64,
    `turn` UInt32 COMMENT '0: wants the id; 1: saw nobody else; else after whom it saw',
    `received_at` DateTime64(3, 'UTC') COMMENT 'when a collector received the event',
    `written_at` DateTime('UTC') DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (website_id, event_id, stream, kafka_partition, kafka_offset)
TTL written_at + toIntervalDay(3)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 256, ttl_only_drop_parts = 1;

CREATE TABLE events
(
    `website_id` UUID,
    `day` Date COMMENT 'calendar day of the event in the website\'s time zone',
    `time` DateTime64(3, 'UTC') COMMENT 'when it happened',
    `received_at` DateTime64(3, 'UTC') COMMENT 'when a collector received it',
    `event_type` LowCardinality(String),
    `event_name` LowCardinality(String) COMMENT 'name of a custom event, else empty',
    `hostname` LowCardinality(String),
    `path` String CODEC(ZSTD(1)),
    `content_group` LowCardinality(String) COMMENT 'first group whose pattern matches the path, else empty',
    `properties` String COMMENT 'JSON object as text, else empty' CODEC(ZSTD(1)),
    `visitor_id` UInt64 CODEC(ZSTD(1)),
    `is_identified` Bool COMMENT 'the caller gave a user id: the same visitor on every day',
    `person` UInt64 COMMENT 'whose session it is, where that is not the visitor; else 0' CODEC(ZSTD(1)),
    `is_bot` Bool,
    `bot_reason` LowCardinality(String),
    `is_excluded` Bool COMMENT 'stored, never counted',
    `session_id` UInt64 COMMENT '0: the event belongs to no session' CODEC(ZSTD(1)),
    `session_start` DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    `session_day` Date COMMENT 'day of the session\'s start; a session\'s facts belong to it',
    `entry_path` String COMMENT 'path of the session\'s first page view, from that one on' CODEC(ZSTD(1)),
    `prev_path` String COMMENT 'the page the exit moves away from; the own path when the exit does not move' CODEC(ZSTD(1)),
    `visits` Int8 COMMENT '1 on the event that starts a session',
    `visitors` Int8 COMMENT '1 on a visitor\'s first event of the day',
    `bounces` Int8 COMMENT '+1 when the session becomes a bounce, -1 when it stops being one',
    `duration_ms` Int64 COMMENT 'how much the event lengthens the session' CODEC(ZSTD(1)),
    `entry_duration_ms` Int64 COMMENT 'the same for sums by entry page: on the event that makes the entry, the whole duration so far' CODEC(ZSTD(1)),
    `unique_pageview` Int8 COMMENT '1 on the session\'s first view of the path',
    `referrer` LowCardinality(String) COMMENT 'the session\'s referring domain, else empty',
    `channel` LowCardinality(String),
    `utm_source` LowCardinality(String),
    `utm_medium` LowCardinality(String),
    `utm_campaign` LowCardinality(String),
    `utm_term` LowCardinality(String),
    `utm_content` LowCardinality(String),
    `device_type` LowCardinality(String),
    `browser` LowCardinality(String),
    `os` LowCardinality(String),
    `screen` LowCardinality(String) COMMENT 'bucket of the viewport\'s width',
    `country` LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2, else empty',
    `region` LowCardinality(String),
    `city` LowCardinality(String),
    `language` LowCardinality(String),
    `event_id` UUID COMMENT 'from the caller\'s event id; zero when none was given',
    `stream` LowCardinality(String) COMMENT 'which stream the offsets belong to',
    `kafka_partition` UInt16,
    `kafka_offset` UInt64 CODEC(Delta(8), ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, visitor_id, time)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE TABLE salts
(
    `day` Date,
    `salt` String COMMENT '128 random bits, encrypted under the master key, base64',
    `claim` UUID COMMENT 'tells claims of the same instant apart',
    `claimed_at` DateTime64(9, 'UTC') DEFAULT now64(9),
    `destroy_at` DateTime('UTC') COMMENT 'after this instant the salt is destroyed'
)
ENGINE = MergeTree
PARTITION BY toStartOfHour(destroy_at)
ORDER BY (day, claimed_at)
SETTINGS old_parts_lifetime = 1, index_granularity = 8192;

CREATE TABLE schema_migrations
(
    `name` String,
    `checksum` String,
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY name
SETTINGS index_granularity = 8192;

CREATE TABLE site_totals
(
    `website_id` UUID,
    `day` Date,
    `hour` DateTime('UTC') COMMENT 'start of the UTC hour',
    `is_bot` Bool,
    `events` SimpleAggregateFunction(sum, Int64),
    `pageviews` SimpleAggregateFunction(sum, Int64),
    `unique_pageviews` SimpleAggregateFunction(sum, Int64),
    `visitors` SimpleAggregateFunction(sum, Int64) COMMENT 'anonymous visitors',
    `identified` AggregateFunction(uniqExact, UInt64) COMMENT 'identified visitors',
    `visits` SimpleAggregateFunction(sum, Int64),
    `bounces` SimpleAggregateFunction(sum, Int64),
    `duration_ms` SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, hour, is_bot)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW site_totals_view TO site_totals
(
    `website_id` UUID,
    `day` Date,
    `hour` DateTime('UTC'),
    `is_bot` Bool,
    `events` Int64,
    `pageviews` Int64,
    `unique_pageviews` Int64,
    `visitors` Int64,
    `identified` AggregateFunction(uniqExact, UInt64),
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT
    e.website_id AS website_id,
    if(of_session, e.session_day, e.day) AS day,
    toStartOfHour(toDateTime(if(of_session, e.session_start, e.time), 'UTC')) AS hour,
    e.is_bot AS is_bot,
    sum(toInt64(NOT of_session)) AS events,
    sum(toInt64((NOT of_session) AND (e.event_type = 'page_view'))) AS pageviews,
    sum(if(of_session, 0, toInt64(e.unique_pageview))) AS unique_pageviews,
    sum(if(of_session OR e.is_identified, 0, toInt64(e.visitors))) AS visitors,
    uniqExactStateIf(e.visitor_id, (NOT of_session) AND e.is_identified) AS identified,
    sum(if(of_session, toInt64(e.visits), 0)) AS visits,
    sum(if(of_session, toInt64(e.bounces), 0)) AS bounces,
    sum(if(of_session, e.duration_ms, 0)) AS duration_ms
FROM events AS e
ARRAY JOIN if(e.session_id = 0, [false], [false, true]) AS of_session
WHERE NOT e.is_excluded
GROUP BY
    website_id,
    day,
    hour,
    is_bot;

CREATE TABLE stream_positions
(
    `stream` LowCardinality(String),
    `kafka_partition` UInt16,
    `last_offset` SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, kafka_partition)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW stream_positions_view TO stream_positions
(
    `stream` LowCardinality(String),
    `kafka_partition` UInt16,
    `last_offset` UInt64
)
AS SELECT
    e.stream AS stream,
    e.kafka_partition AS kafka_partition,
    max(e.kafka_offset) AS last_offset
FROM events AS e
GROUP BY
    stream,
    kafka_partition;

CREATE TABLE users
(
    `id` UUID,
    `account_id` UUID,
    `website_id` UUID COMMENT 'the only website that the key is good for; nil: all of the account',
    `email` String,
    `role` LowCardinality(String),
    `key_hash` String COMMENT 'SHA-256 of the API key, hexadecimal',
    `key_sealed` String COMMENT 'the API key, encrypted under the master key, base64',
    `created_at` DateTime64(3, 'UTC'),
    `version` UInt64,
    `is_deleted` Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS index_granularity = 8192;

CREATE TABLE websites
(
    `id` UUID,
    `account_id` UUID,
    `domain` String,
    `timezone` LowCardinality(String) COMMENT 'IANA name',
    `content_groups` Array(Tuple(
        String,
        String)) COMMENT 'names and patterns, in order: the first match wins',
    `excluded_ips` Array(String) COMMENT 'addresses and CIDR ranges',
    `created_at` DateTime64(3, 'UTC'),
    `claimed_at` DateTime64(9, 'UTC') DEFAULT now64(9),
    `version` UInt64,
    `is_deleted` Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS index_granularity = 8192;
