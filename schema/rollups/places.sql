-- Places by day: where sessions were made. A session's facts (visits, bounces, duration) belong to the day of its start,
-- the views within it to their own days.
CREATE TABLE IF NOT EXISTS $table
(
    website_id  UUID,
    day         Date,
    is_bot      Bool,
    country     LowCardinality(String) CODEC(ZSTD(1)),
    region      LowCardinality(String) CODEC(ZSTD(1)),
    city        LowCardinality(String) CODEC(ZSTD(1)),
    epoch       UInt32 CODEC(ZSTD(1)),
    pageviews   Int64  CODEC(T64, ZSTD(1)),
    visits      Int64  CODEC(T64, ZSTD(1)),
    bounces     Int64  CODEC(T64, ZSTD(1)),
    duration_ms Int64  CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, country, region, city, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

SELECT
    e.website_id                             AS website_id,
    if(of = 'event', e.day, e.session_day)   AS day,
    e.is_bot                                 AS is_bot,
    e.country                                AS country,
    e.region                                 AS region,
    e.city                                   AS city,
    e.epoch                                  AS epoch,
    sum(toInt64(of != 'session' AND e.event_type = 'page_view')) AS pageviews,
    sum(if(of = 'event', 0, toInt64(e.visits)))  AS visits,
    sum(if(of = 'event', 0, toInt64(e.bounces))) AS bounces,
    sum(if(of = 'event', 0, e.duration_ms))      AS duration_ms
FROM events AS e
ARRAY JOIN
    if(e.day = e.session_day, ['both'], ['event', 'session'])::Array(Enum8('event' = 1, 'session' = 2, 'both' = 3)) AS of
WHERE $scope AND NOT e.is_excluded AND e.session_id != 0
GROUP BY website_id, day, is_bot, country, region, city, epoch;
