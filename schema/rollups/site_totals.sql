-- Site totals by hour: what a summary and a series of the whole site need.
--
-- Event facts (events, pageviews, unique_pageviews, visitors) belong to the event's day and hour; session facts
-- (visits, bounces, duration) to those of the session's start. So an event whose session began in another hour adds
-- to two rows, one of each kind.
CREATE TABLE IF NOT EXISTS $table
(
    website_id       UUID,
    day              Date,
    hour             DateTime('UTC') COMMENT 'start of the UTC hour' CODEC(Delta, ZSTD(1)),
    is_bot           Bool,
    epoch            UInt32 CODEC(ZSTD(1)),
    events           Int64  CODEC(T64, ZSTD(1)),
    pageviews        Int64  CODEC(T64, ZSTD(1)),
    unique_pageviews Int64  CODEC(T64, ZSTD(1)),
    visitors         Int64  COMMENT 'anonymous visitors: they are per day, and add up' CODEC(T64, ZSTD(1)),
    visits           Int64  CODEC(T64, ZSTD(1)),
    bounces          Int64  CODEC(T64, ZSTD(1)),
    duration_ms      Int64  CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, hour, is_bot, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

SELECT
    e.website_id                                                              AS website_id,
    if(of = 'session', e.session_day, e.day)                                  AS day,
    toStartOfHour(toDateTime(if(of = 'session', e.session_start, e.time), 'UTC')) AS hour,
    e.is_bot                                                                  AS is_bot,
    e.epoch                                                                   AS epoch,
    sum(toInt64(of != 'session'))                                             AS events,
    sum(toInt64(of != 'session' AND e.event_type = 'page_view'))              AS pageviews,
    sum(if(of = 'session', 0, toInt64(e.unique_pageview)))                    AS unique_pageviews,
    sum(if(of = 'session' OR e.is_identified, 0, toInt64(e.visitors)))        AS visitors,
    sum(if(of = 'event', 0, toInt64(e.visits)))                               AS visits,
    sum(if(of = 'event', 0, toInt64(e.bounces)))                              AS bounces,
    sum(if(of = 'event', 0, e.duration_ms))                                   AS duration_ms
FROM events AS e
ARRAY JOIN
    multiIf(
        e.session_id = 0, ['event'],
        e.day = e.session_day AND toStartOfHour(e.time) = toStartOfHour(e.session_start), ['both'],
        ['event', 'session']
    )::Array(Enum8('event' = 1, 'session' = 2, 'both' = 3)) AS of
WHERE $scope AND NOT e.is_excluded
GROUP BY website_id, day, hour, is_bot, epoch;
