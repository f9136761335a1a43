-- Events by type, and custom events by name.
CREATE TABLE IF NOT EXISTS $table
(
    website_id UUID,
    day        Date,
    is_bot     Bool,
    event_type LowCardinality(String) CODEC(ZSTD(1)),
    event_name LowCardinality(String) CODEC(ZSTD(1)),
    epoch      UInt32                 CODEC(ZSTD(1)),
    events     Int64                  CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, event_type, event_name, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

SELECT
    e.website_id     AS website_id,
    e.day            AS day,
    e.is_bot         AS is_bot,
    e.event_type     AS event_type,
    e.event_name     AS event_name,
    e.epoch          AS epoch,
    toInt64(count()) AS events
FROM events AS e
WHERE $scope AND NOT e.is_excluded
GROUP BY website_id, day, is_bot, event_type, event_name, epoch;
