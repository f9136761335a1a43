-- Events take less room: a live event was received when it happened, and a page's entry duration is nearly always the
-- duration, so only the differences are stored; and every column is compressed by ZSTD.
-- `epoch` says which changes of the rollups the loader knew (see load_epochs).
-- The rollups are made again in their new form from the events (see rollups/): what fills the old one goes.
DROP VIEW IF EXISTS site_totals_view;

ALTER TABLE events
    ADD COLUMN IF NOT EXISTS epoch UInt32 COMMENT 'which changes of the rollups the loader knew' CODEC(ZSTD(1)) AFTER kafka_offset,
    ADD COLUMN IF NOT EXISTS received_after_ms Int64 DEFAULT toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(time) COMMENT 'from when it happened to when a collector received it' CODEC(ZSTD(1)) AFTER time,
    ADD COLUMN IF NOT EXISTS entry_lead_ms Int64 DEFAULT entry_duration_ms - duration_ms COMMENT 'on the event that makes the entry: how long the session had lasted before; else 0' CODEC(ZSTD(1)) AFTER duration_ms;

ALTER TABLE events
    MODIFY COLUMN received_at DateTime64(3, 'UTC') DEFAULT fromUnixTimestamp64Milli(0, 'UTC') COMMENT 'of rows before received_after_ms only' CODEC(ZSTD(1)),
    MODIFY COLUMN entry_duration_ms Int64 DEFAULT 0 COMMENT 'of rows before entry_lead_ms only' CODEC(ZSTD(1)),
    MODIFY COLUMN day CODEC(ZSTD(1)),
    MODIFY COLUMN time CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN event_type CODEC(ZSTD(1)),
    MODIFY COLUMN event_name CODEC(ZSTD(1)),
    MODIFY COLUMN hostname CODEC(ZSTD(1)),
    MODIFY COLUMN content_group CODEC(ZSTD(1)),
    MODIFY COLUMN is_identified CODEC(ZSTD(1)),
    MODIFY COLUMN is_bot CODEC(ZSTD(1)),
    MODIFY COLUMN bot_reason CODEC(ZSTD(1)),
    MODIFY COLUMN is_excluded CODEC(ZSTD(1)),
    MODIFY COLUMN session_day CODEC(ZSTD(1)),
    MODIFY COLUMN visits CODEC(ZSTD(1)),
    MODIFY COLUMN visitors CODEC(ZSTD(1)),
    MODIFY COLUMN bounces CODEC(ZSTD(1)),
    MODIFY COLUMN duration_ms CODEC(T64, ZSTD(1)),
    MODIFY COLUMN unique_pageview CODEC(ZSTD(1)),
    MODIFY COLUMN referrer CODEC(ZSTD(1)),
    MODIFY COLUMN channel CODEC(ZSTD(1)),
    MODIFY COLUMN utm_source CODEC(ZSTD(1)),
    MODIFY COLUMN utm_medium CODEC(ZSTD(1)),
    MODIFY COLUMN utm_campaign CODEC(ZSTD(1)),
    MODIFY COLUMN utm_term CODEC(ZSTD(1)),
    MODIFY COLUMN utm_content CODEC(ZSTD(1)),
    MODIFY COLUMN device_type CODEC(ZSTD(1)),
    MODIFY COLUMN browser CODEC(ZSTD(1)),
    MODIFY COLUMN os CODEC(ZSTD(1)),
    MODIFY COLUMN screen CODEC(ZSTD(1)),
    MODIFY COLUMN country CODEC(ZSTD(1)),
    MODIFY COLUMN region CODEC(ZSTD(1)),
    MODIFY COLUMN city CODEC(ZSTD(1)),
    MODIFY COLUMN language CODEC(ZSTD(1)),
    MODIFY COLUMN event_id CODEC(ZSTD(1)),
    MODIFY COLUMN stream CODEC(ZSTD(1)),
    MODIFY COLUMN kafka_partition CODEC(ZSTD(1));

ALTER TABLE events
    ADD INDEX IF NOT EXISTS first_day if(session_id = 0, day, least(day, session_day)) TYPE minmax GRANULARITY 1;

ALTER TABLE events
    MATERIALIZE INDEX first_day
    SETTINGS mutations_sync = 2;
