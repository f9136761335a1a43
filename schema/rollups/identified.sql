-- Identified visitors by day. They recur on many days, so unlike anonymous ones they do not add up over days: a report
-- counts how many different ones there are.
CREATE TABLE IF NOT EXISTS $table
(
    website_id UUID,
    day        Date,
    is_bot     Bool,
    visitor_id UInt64 CODEC(ZSTD(1)),
    epoch      UInt32 CODEC(ZSTD(1)),
    events     Int64  CODEC(T64, ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, visitor_id, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

SELECT
    e.website_id     AS website_id,
    e.day            AS day,
    e.is_bot         AS is_bot,
    e.visitor_id     AS visitor_id,
    e.epoch          AS epoch,
    toInt64(count()) AS events
FROM events AS e
WHERE $scope AND NOT e.is_excluded AND e.is_identified
GROUP BY website_id, day, is_bot, visitor_id, epoch;
