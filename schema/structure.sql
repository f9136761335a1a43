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

CREATE TABLE audit_log
(
    `at` DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    `actor` String COMMENT 'a user\'s id, or the program that acted by itself',
    `action` LowCardinality(String) COMMENT 'what was done, such as website.delete',
    `account_id` UUID COMMENT 'the account that it is about; nil: none',
    `website_id` UUID COMMENT 'the website that it is about; nil: none',
    `subject` String COMMENT 'what else it is about: an id, a date or a hash',
    `detail` String COMMENT 'how it went: settings and numbers of rows, as JSON'
)
ENGINE = MergeTree
PARTITION BY toYear(at)
ORDER BY at
SETTINGS index_granularity = 8192;

CREATE DICTIONARY continent_names
(
    `code` String,
    `name` String
)
PRIMARY KEY code
SOURCE(CLICKHOUSE(TABLE 'continents'))
LIFETIME(MIN 3600 MAX 7200)
LAYOUT(COMPLEX_KEY_HASHED());

CREATE VIEW continents
(
    `code` String,
    `name` String
)
AS SELECT DISTINCT
    continent AS code,
    continent_name AS name
FROM countries;

CREATE TABLE countries
(
    `code` String COMMENT 'ISO 3166-1 alpha-2, and XK',
    `name` String COMMENT 'in English',
    `continent` String,
    `continent_name` String
)
ENGINE = ReplacingMergeTree
ORDER BY code
SETTINGS index_granularity = 8192;

CREATE DICTIONARY country_names
(
    `code` String,
    `name` String,
    `continent` String,
    `continent_name` String
)
PRIMARY KEY code
SOURCE(CLICKHOUSE(TABLE 'countries'))
LIFETIME(MIN 3600 MAX 7200)
LAYOUT(COMPLEX_KEY_HASHED());

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

CREATE VIEW devices
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `device_type` LowCardinality(String),
    `browser` LowCardinality(String),
    `os` LowCardinality(String),
    `screen` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT *
FROM devices_0;

CREATE TABLE devices_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `device_type` LowCardinality(String) CODEC(ZSTD(1)),
    `browser` LowCardinality(String) CODEC(ZSTD(1)),
    `os` LowCardinality(String) CODEC(ZSTD(1)),
    `screen` LowCardinality(String) CODEC(ZSTD(1)),
    `epoch` UInt32 CODEC(ZSTD(1)),
    `pageviews` Int64 CODEC(T64, ZSTD(1)),
    `visits` Int64 CODEC(T64, ZSTD(1)),
    `bounces` Int64 CODEC(T64, ZSTD(1)),
    `duration_ms` Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, device_type, browser, os, screen, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW devices_0_view TO devices_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `device_type` LowCardinality(String),
    `browser` LowCardinality(String),
    `os` LowCardinality(String),
    `screen` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT
    e.website_id AS website_id,
    if(of = 'event', e.day, e.session_day) AS day,
    e.is_bot AS is_bot,
    e.device_type AS device_type,
    e.browser AS browser,
    e.os AS os,
    e.screen AS screen,
    e.epoch AS epoch,
    sum(toInt64((of != 'session') AND (e.event_type = 'page_view'))) AS pageviews,
    sum(if(of = 'event', 0, toInt64(e.visits))) AS visits,
    sum(if(of = 'event', 0, toInt64(e.bounces))) AS bounces,
    sum(if(of = 'event', 0, e.duration_ms)) AS duration_ms
FROM events AS e
ARRAY JOIN CAST(if(e.day = e.session_day, ['both'], ['event', 'session']), 'Array(Enum8(\'event\' = 1, \'session\' = 2, \'both\' = 3))') AS of
WHERE (e.epoch >= 0) AND (NOT e.is_excluded) AND (e.session_id != 0)
GROUP BY
    website_id,
    day,
    is_bot,
    device_type,
    browser,
    os,
    screen,
    epoch;

CREATE TABLE erasures
(
    `id` UUID,
    `kind` LowCardinality(String) COMMENT 'website: all of it; days: its days before one; visitor: a person\'s events',
    `website_id` UUID,
    `visitor` String COMMENT 'SHA-256 of website and visitor, hexadecimal; of the kind visitor only',
    `before` Int64 COMMENT 'days: the first day that stays, since 1970-01-01; visitor: events received before, in ms',
    `epoch` UInt32 COMMENT 'from this epoch on loaders drop; 0: asked for and not begun',
    `state` LowCardinality(String) COMMENT 'requested, begun or done',
    `written_at` DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (website_id, id, written_at)
SETTINGS index_granularity = 8192;

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

CREATE VIEW event_types
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `event_type` LowCardinality(String),
    `event_name` LowCardinality(String),
    `epoch` UInt32,
    `events` Int64
)
AS SELECT *
FROM event_types_0;

CREATE TABLE event_types_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `event_type` LowCardinality(String) CODEC(ZSTD(1)),
    `event_name` LowCardinality(String) CODEC(ZSTD(1)),
    `epoch` UInt32 CODEC(ZSTD(1)),
    `events` Int64 CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, event_type, event_name, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW event_types_0_view TO event_types_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `event_type` LowCardinality(String),
    `event_name` LowCardinality(String),
    `epoch` UInt32,
    `events` Int64
)
AS SELECT
    e.website_id AS website_id,
    e.day AS day,
    e.is_bot AS is_bot,
    e.event_type AS event_type,
    e.event_name AS event_name,
    e.epoch AS epoch,
    toInt64(count()) AS events
FROM events AS e
WHERE (e.epoch >= 0) AND (NOT e.is_excluded)
GROUP BY
    website_id,
    day,
    is_bot,
    event_type,
    event_name,
    epoch;

CREATE TABLE events
(
    `website_id` UUID,
    `day` Date COMMENT 'calendar day of the event in the website\'s time zone' CODEC(ZSTD(1)),
    `time` DateTime64(3, 'UTC') COMMENT 'when it happened' CODEC(Delta(8), ZSTD(1)),
    `received_after_ms` Int64 DEFAULT toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(time) COMMENT 'from when it happened to when a collector received it' CODEC(ZSTD(1)),
    `received_at` DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(0, 'UTC') COMMENT 'of rows before received_after_ms only' CODEC(ZSTD(1)),
    `event_type` LowCardinality(String) CODEC(ZSTD(1)),
    `event_name` LowCardinality(String) COMMENT 'name of a custom event, else empty' CODEC(ZSTD(1)),
    `hostname` LowCardinality(String) CODEC(ZSTD(1)),
    `path` String CODEC(ZSTD(1)),
    `content_group` LowCardinality(String) COMMENT 'first group whose pattern matches the path, else empty' CODEC(ZSTD(1)),
    `properties` String COMMENT 'JSON object as text, else empty' CODEC(ZSTD(1)),
    `visitor_id` UInt64 CODEC(ZSTD(1)),
    `is_identified` Bool COMMENT 'the caller gave a user id: the same visitor on every day' CODEC(ZSTD(1)),
    `person` UInt64 COMMENT 'whose session it is, where that is not the visitor; else 0' CODEC(ZSTD(1)),
    `is_bot` Bool CODEC(ZSTD(1)),
    `bot_reason` LowCardinality(String) CODEC(ZSTD(1)),
    `is_excluded` Bool COMMENT 'stored, never counted' CODEC(ZSTD(1)),
    `session_id` UInt64 COMMENT '0: the event belongs to no session' CODEC(ZSTD(1)),
    `session_start` DateTime64(3, 'UTC') CODEC(ZSTD(1)),
    `session_day` Date COMMENT 'day of the session\'s start; a session\'s facts belong to it' CODEC(ZSTD(1)),
    `entry_path` String COMMENT 'path of the session\'s first page view, from that one on' CODEC(ZSTD(1)),
    `prev_path` String COMMENT 'the page the exit moves away from; the own path when the exit does not move' CODEC(ZSTD(1)),
    `visits` Int8 COMMENT '1 on the event that starts a session' CODEC(ZSTD(1)),
    `visitors` Int8 COMMENT '1 on a visitor\'s first event of the day' CODEC(ZSTD(1)),
    `bounces` Int8 COMMENT '+1 when the session becomes a bounce, -1 when it stops being one' CODEC(ZSTD(1)),
    `duration_ms` Int64 COMMENT 'how much the event lengthens the session' CODEC(T64, ZSTD(1)),
    `entry_lead_ms` Int64 DEFAULT entry_duration_ms - duration_ms COMMENT 'on the event that makes the entry: how long the session had lasted before; else 0' CODEC(ZSTD(1)),
    `entry_duration_ms` Int64 DEFAULT 0 COMMENT 'of rows before entry_lead_ms only' CODEC(ZSTD(1)),
    `unique_pageview` Int8 COMMENT '1 on the session\'s first view of the path' CODEC(ZSTD(1)),
    `referrer` LowCardinality(String) COMMENT 'the session\'s referring domain, else empty' CODEC(ZSTD(1)),
    `channel` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_source` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_medium` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_campaign` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_term` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_content` LowCardinality(String) CODEC(ZSTD(1)),
    `device_type` LowCardinality(String) CODEC(ZSTD(1)),
    `browser` LowCardinality(String) CODEC(ZSTD(1)),
    `os` LowCardinality(String) CODEC(ZSTD(1)),
    `screen` LowCardinality(String) COMMENT 'bucket of the viewport\'s width' CODEC(ZSTD(1)),
    `country` LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2, else empty' CODEC(ZSTD(1)),
    `region` LowCardinality(String) CODEC(ZSTD(1)),
    `city` LowCardinality(String) CODEC(ZSTD(1)),
    `language` LowCardinality(String) CODEC(ZSTD(1)),
    `event_id` UUID COMMENT 'from the caller\'s event id; zero when none was given' CODEC(ZSTD(1)) TTL if(received_after_ms = 0, toDateTime(time, 'UTC') + toIntervalDay(10), toDateTime('2106-01-01 00:00:00', 'UTC')),
    `stream` LowCardinality(String) COMMENT 'which stream the offsets belong to' CODEC(ZSTD(1)),
    `kafka_partition` UInt16 CODEC(ZSTD(1)),
    `kafka_offset` UInt64 CODEC(Delta(8), ZSTD(1)),
    `epoch` UInt32 COMMENT 'which changes of the rollups the loader knew' CODEC(ZSTD(1)),
    INDEX first_day if(session_id = 0, day, least(day, session_day)) TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, visitor_id, time)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_with_ttl_timeout = 86400;

CREATE VIEW identified
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `visitor_id` UInt64,
    `epoch` UInt32,
    `events` Int64
)
AS SELECT *
FROM identified_0;

CREATE TABLE identified_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `visitor_id` UInt64 CODEC(ZSTD(1)),
    `epoch` UInt32 CODEC(ZSTD(1)),
    `events` Int64 CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, visitor_id, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW identified_0_view TO identified_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `visitor_id` UInt64,
    `epoch` UInt32,
    `events` Int64
)
AS SELECT
    e.website_id AS website_id,
    e.day AS day,
    e.is_bot AS is_bot,
    e.visitor_id AS visitor_id,
    e.epoch AS epoch,
    toInt64(count()) AS events
FROM events AS e
WHERE (e.epoch >= 0) AND (NOT e.is_excluded) AND e.is_identified
GROUP BY
    website_id,
    day,
    is_bot,
    visitor_id,
    epoch;

CREATE TABLE load_checkpoints
(
    `stream` LowCardinality(String),
    `kafka_partition` UInt16,
    `epoch` UInt32 COMMENT 'the greatest number: the stream is gone, and nobody waits for it',
    `kafka_offset` UInt64,
    `written_at` DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (stream, kafka_partition, written_at)
SETTINGS index_granularity = 8192;

CREATE TABLE load_epochs
(
    `epoch` UInt32,
    `held_until` DateTime64(3, 'UTC') COMMENT 'until then loaders wait; the last row of an epoch tells',
    `reason` LowCardinality(String),
    `written_at` DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (epoch, written_at)
SETTINGS index_granularity = 8192;

CREATE VIEW pages
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `path` String,
    `content_group` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `unique_pageviews` Int64,
    `visits` Int64,
    `entries` Int64,
    `exits` Int64,
    `entry_bounces` Int64,
    `entry_duration_ms` Int64
)
AS SELECT *
FROM pages_0;

CREATE TABLE pages_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `path` String CODEC(ZSTD(1)),
    `content_group` LowCardinality(String) CODEC(ZSTD(1)),
    `epoch` UInt32 CODEC(ZSTD(1)),
    `pageviews` Int64 CODEC(T64, ZSTD(1)),
    `unique_pageviews` Int64 CODEC(T64, ZSTD(1)),
    `visits` Int64 COMMENT 'sessions of the day that viewed the path' CODEC(T64, ZSTD(1)),
    `entries` Int64 CODEC(T64, ZSTD(1)),
    `exits` Int64 CODEC(T64, ZSTD(1)),
    `entry_bounces` Int64 CODEC(T64, ZSTD(1)),
    `entry_duration_ms` Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, path, content_group, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW pages_0_view TO pages_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `path` String,
    `content_group` String,
    `epoch` UInt32,
    `pageviews` Int64,
    `unique_pageviews` Int64,
    `visits` Int64,
    `entries` Int64,
    `exits` Int64,
    `entry_bounces` Int64,
    `entry_duration_ms` Int64
)
AS SELECT
    e.website_id AS website_id,
    if(part = 'view', e.day, e.session_day) AS day,
    e.is_bot AS is_bot,
    multiIf(part = 'left', e.prev_path, part = 'entry', e.entry_path, e.path) AS path,
    if((part IN ('left', 'entry')), '', e.content_group) AS content_group,
    e.epoch AS epoch,
    sum(toInt64(part IN ('view', 'page', 'first'))) AS pageviews,
    sum(if((part IN ('view', 'page', 'first')), toInt64(e.unique_pageview), 0)) AS unique_pageviews,
    sum(if((part IN ('seen', 'page', 'first')), toInt64(e.unique_pageview), 0)) AS visits,
    sum(toInt64((part = 'first') OR ((part = 'entry') AND (e.event_type = 'page_view') AND (e.prev_path = '')))) AS entries,
    sum(multiIf(part = 'left', -1, (part IN ('seen', 'page', 'first')) AND (e.path != e.prev_path), 1, 0)) AS exits,
    sum(if((part IN ('entry', 'first')), toInt64(e.bounces), 0)) AS entry_bounces,
    sum(if((part IN ('entry', 'first')), e.duration_ms + e.entry_lead_ms, 0)) AS entry_duration_ms
FROM events AS e
ARRAY JOIN CAST(multiIf(e.event_type != 'page_view', ['entry'], e.day != e.session_day, ['view', 'seen', 'left', 'entry'], e.prev_path = '', ['first'], e.prev_path = e.path, ['page', 'entry'], ['page', 'left', 'entry']), 'Array(Enum8(\'view\' = 1, \'seen\' = 2, \'left\' = 3, \'entry\' = 4, \'page\' = 5, \'first\' = 6))') AS part
WHERE (e.epoch >= 0) AND (NOT e.is_excluded) AND (e.session_id != 0) AND ((e.event_type = 'page_view') OR ((e.entry_path != '') AND ((e.bounces != 0) OR (e.duration_ms != 0)))) AND (NOT ((part = 'left') AND (e.prev_path IN ('', e.path))))
GROUP BY
    website_id,
    day,
    is_bot,
    path,
    content_group,
    epoch;

CREATE VIEW places
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `country` LowCardinality(String),
    `region` LowCardinality(String),
    `city` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT *
FROM places_0;

CREATE TABLE places_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `country` LowCardinality(String) CODEC(ZSTD(1)),
    `region` LowCardinality(String) CODEC(ZSTD(1)),
    `city` LowCardinality(String) CODEC(ZSTD(1)),
    `epoch` UInt32 CODEC(ZSTD(1)),
    `pageviews` Int64 CODEC(T64, ZSTD(1)),
    `visits` Int64 CODEC(T64, ZSTD(1)),
    `bounces` Int64 CODEC(T64, ZSTD(1)),
    `duration_ms` Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, country, region, city, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW places_0_view TO places_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `country` LowCardinality(String),
    `region` LowCardinality(String),
    `city` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT
    e.website_id AS website_id,
    if(of = 'event', e.day, e.session_day) AS day,
    e.is_bot AS is_bot,
    e.country AS country,
    e.region AS region,
    e.city AS city,
    e.epoch AS epoch,
    sum(toInt64((of != 'session') AND (e.event_type = 'page_view'))) AS pageviews,
    sum(if(of = 'event', 0, toInt64(e.visits))) AS visits,
    sum(if(of = 'event', 0, toInt64(e.bounces))) AS bounces,
    sum(if(of = 'event', 0, e.duration_ms)) AS duration_ms
FROM events AS e
ARRAY JOIN CAST(if(e.day = e.session_day, ['both'], ['event', 'session']), 'Array(Enum8(\'event\' = 1, \'session\' = 2, \'both\' = 3))') AS of
WHERE (e.epoch >= 0) AND (NOT e.is_excluded) AND (e.session_id != 0)
GROUP BY
    website_id,
    day,
    is_bot,
    country,
    region,
    city,
    epoch;

CREATE TABLE rollup_days
(
    `table_name` String,
    `epoch` UInt32 COMMENT 'all events before this epoch are in',
    `job` UUID COMMENT 'the work that this was a part of',
    `day` Date,
    `events` UInt64,
    `written_at` DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (table_name, epoch, job, day)
TTL toDateTime(written_at) + toIntervalDay(30)
SETTINGS index_granularity = 8192;

CREATE TABLE rollup_tables
(
    `rollup` LowCardinality(String),
    `table_name` String,
    `version` UInt32,
    `checksum` String COMMENT 'SHA-256 of the rollup\'s file, hexadecimal',
    `since_epoch` UInt32 COMMENT 'rows of this epoch on come through its view, earlier ones from the backfill',
    `state` LowCardinality(String),
    `written_at` DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (rollup, table_name, written_at)
SETTINGS index_granularity = 8192;

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

CREATE VIEW site_totals
(
    `website_id` UUID,
    `day` Date,
    `hour` DateTime('UTC'),
    `is_bot` Bool,
    `epoch` UInt32,
    `events` Int64,
    `pageviews` Int64,
    `unique_pageviews` Int64,
    `visitors` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT *
FROM site_totals_0;

CREATE TABLE site_totals_0
(
    `website_id` UUID,
    `day` Date,
    `hour` DateTime('UTC') COMMENT 'start of the UTC hour' CODEC(Delta(4), ZSTD(1)),
    `is_bot` Bool,
    `epoch` UInt32 CODEC(ZSTD(1)),
    `events` Int64 CODEC(T64, ZSTD(1)),
    `pageviews` Int64 CODEC(T64, ZSTD(1)),
    `unique_pageviews` Int64 CODEC(T64, ZSTD(1)),
    `visitors` Int64 COMMENT 'anonymous visitors: they are per day, and add up' CODEC(T64, ZSTD(1)),
    `visits` Int64 CODEC(T64, ZSTD(1)),
    `bounces` Int64 CODEC(T64, ZSTD(1)),
    `duration_ms` Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, hour, is_bot, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW site_totals_0_view TO site_totals_0
(
    `website_id` UUID,
    `day` Date,
    `hour` DateTime('UTC'),
    `is_bot` Bool,
    `epoch` UInt32,
    `events` Int64,
    `pageviews` Int64,
    `unique_pageviews` Int64,
    `visitors` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT
    e.website_id AS website_id,
    if(of = 'session', e.session_day, e.day) AS day,
    toStartOfHour(toDateTime(if(of = 'session', e.session_start, e.time), 'UTC')) AS hour,
    e.is_bot AS is_bot,
    e.epoch AS epoch,
    sum(toInt64(of != 'session')) AS events,
    sum(toInt64((of != 'session') AND (e.event_type = 'page_view'))) AS pageviews,
    sum(if(of = 'session', 0, toInt64(e.unique_pageview))) AS unique_pageviews,
    sum(if((of = 'session') OR e.is_identified, 0, toInt64(e.visitors))) AS visitors,
    sum(if(of = 'event', 0, toInt64(e.visits))) AS visits,
    sum(if(of = 'event', 0, toInt64(e.bounces))) AS bounces,
    sum(if(of = 'event', 0, e.duration_ms)) AS duration_ms
FROM events AS e
ARRAY JOIN CAST(multiIf(e.session_id = 0, ['event'], (e.day = e.session_day) AND (toStartOfHour(e.time) = toStartOfHour(e.session_start)), ['both'], ['event', 'session']), 'Array(Enum8(\'event\' = 1, \'session\' = 2, \'both\' = 3))') AS of
WHERE (e.epoch >= 0) AND (NOT e.is_excluded)
GROUP BY
    website_id,
    day,
    hour,
    is_bot,
    epoch;

CREATE VIEW sources
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `channel` LowCardinality(String),
    `referrer` LowCardinality(String),
    `utm_source` LowCardinality(String),
    `utm_medium` LowCardinality(String),
    `utm_campaign` LowCardinality(String),
    `utm_term` LowCardinality(String),
    `utm_content` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT *
FROM sources_0;

CREATE TABLE sources_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `channel` LowCardinality(String) CODEC(ZSTD(1)),
    `referrer` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_source` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_medium` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_campaign` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_term` LowCardinality(String) CODEC(ZSTD(1)),
    `utm_content` LowCardinality(String) CODEC(ZSTD(1)),
    `epoch` UInt32 CODEC(ZSTD(1)),
    `pageviews` Int64 CODEC(T64, ZSTD(1)),
    `visits` Int64 CODEC(T64, ZSTD(1)),
    `bounces` Int64 CODEC(T64, ZSTD(1)),
    `duration_ms` Int64 CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, channel, referrer, utm_source, utm_medium, utm_campaign, utm_term, utm_content, epoch)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192;

CREATE MATERIALIZED VIEW sources_0_view TO sources_0
(
    `website_id` UUID,
    `day` Date,
    `is_bot` Bool,
    `channel` LowCardinality(String),
    `referrer` LowCardinality(String),
    `utm_source` LowCardinality(String),
    `utm_medium` LowCardinality(String),
    `utm_campaign` LowCardinality(String),
    `utm_term` LowCardinality(String),
    `utm_content` LowCardinality(String),
    `epoch` UInt32,
    `pageviews` Int64,
    `visits` Int64,
    `bounces` Int64,
    `duration_ms` Int64
)
AS SELECT
    e.website_id AS website_id,
    if(of = 'event', e.day, e.session_day) AS day,
    e.is_bot AS is_bot,
    e.channel AS channel,
    e.referrer AS referrer,
    e.utm_source AS utm_source,
    e.utm_medium AS utm_medium,
    e.utm_campaign AS utm_campaign,
    e.utm_term AS utm_term,
    e.utm_content AS utm_content,
    e.epoch AS epoch,
    sum(toInt64((of != 'session') AND (e.event_type = 'page_view'))) AS pageviews,
    sum(if(of = 'event', 0, toInt64(e.visits))) AS visits,
    sum(if(of = 'event', 0, toInt64(e.bounces))) AS bounces,
    sum(if(of = 'event', 0, e.duration_ms)) AS duration_ms
FROM events AS e
ARRAY JOIN CAST(if(e.day = e.session_day, ['both'], ['event', 'session']), 'Array(Enum8(\'event\' = 1, \'session\' = 2, \'both\' = 3))') AS of
WHERE (e.epoch >= 0) AND (NOT e.is_excluded) AND (e.session_id != 0)
GROUP BY
    website_id,
    day,
    is_bot,
    channel,
    referrer,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    epoch;

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

CREATE VIEW website_directory
(
    `id` UUID,
    `domain` String,
    `account_id` UUID,
    `account` String,
    `timezone` LowCardinality(String)
)
AS SELECT
    w.id AS id,
    w.domain AS domain,
    w.account_id AS account_id,
    a.name AS account,
    w.timezone AS timezone
FROM websites AS w
FINAL
LEFT JOIN accounts AS a
FINAL ON a.id = w.account_id
WHERE (NOT w.is_deleted) AND (w.version > 1);

CREATE DICTIONARY website_names
(
    `id` UUID,
    `domain` String,
    `account_id` UUID,
    `account` String,
    `timezone` String
)
PRIMARY KEY id
SOURCE(CLICKHOUSE(TABLE 'website_directory'))
LIFETIME(MIN 1 MAX 2)
LAYOUT(COMPLEX_KEY_CACHE(SIZE_IN_CELLS 65536));

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
    `respect_dnt` Bool COMMENT 'whether events of visitors who opt out are dropped',
    `retention_days` UInt16 COMMENT 'whole days before today that are kept; 0: all',
    `created_at` DateTime64(3, 'UTC'),
    `claimed_at` DateTime64(9, 'UTC') DEFAULT now64(9),
    `version` UInt64,
    `is_deleted` Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id
SETTINGS index_granularity = 8192;
