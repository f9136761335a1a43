-- Pages by day: views, entries and exits of every path.
--
-- An event can say something of several pages. Its own page is viewed, on the event's day; the session's facts belong
-- to the day of the session's start: that the session saw the page (`visits`), that the exit is here now and no
-- longer on the page before, and what the event changes in the bounce and the duration of the session, for the page
-- that the session entered on. The parts:
--   view   the event's own page, as a fact of the event
--   seen   the event's own page, as a fact of its session
--   left   the page that the exit moves away from
--   entry  the page that the session entered on
--   page   view and seen in one, where both belong to the same day
--   first  page and entry in one: the session's first view
-- A path's group is the one that the view had; what belongs to a session's entry or exit alone has none.
CREATE TABLE IF NOT EXISTS $table
(
    website_id        UUID,
    day               Date,
    is_bot            Bool,
    path              String                 CODEC(ZSTD(1)),
    content_group     LowCardinality(String) CODEC(ZSTD(1)),
    epoch             UInt32                 CODEC(ZSTD(1)),
    pageviews         Int64                  CODEC(T64, ZSTD(1)),
    unique_pageviews  Int64                  CODEC(T64, ZSTD(1)),
    visits            Int64                  COMMENT 'sessions of the day that viewed the path' CODEC(T64, ZSTD(1)),
    entries           Int64                  CODEC(T64, ZSTD(1)),
    exits             Int64                  CODEC(T64, ZSTD(1)),
    entry_bounces     Int64                  CODEC(T64, ZSTD(1)),
    entry_duration_ms Int64                  CODEC(ZSTD(1))
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, is_bot, path, content_group, epoch)
SETTINGS non_replicated_deduplication_window = 10000;

SELECT
    e.website_id                                                      AS website_id,
    if(part = 'view', e.day, e.session_day)                           AS day,
    e.is_bot                                                          AS is_bot,
    multiIf(part = 'left', e.prev_path, part = 'entry', e.entry_path, e.path) AS path,
    if(part IN ('left', 'entry'), '', e.content_group)                AS content_group,
    e.epoch                                                           AS epoch,
    sum(toInt64(part IN ('view', 'page', 'first')))                   AS pageviews,
    sum(if(part IN ('view', 'page', 'first'), toInt64(e.unique_pageview), 0)) AS unique_pageviews,
    sum(if(part IN ('seen', 'page', 'first'), toInt64(e.unique_pageview), 0)) AS visits,
    sum(toInt64(part = 'first' OR (part = 'entry' AND e.event_type = 'page_view' AND e.prev_path = ''))) AS entries,
    sum(multiIf(part = 'left', -1, part IN ('seen', 'page', 'first') AND e.path != e.prev_path, 1, 0))  AS exits,
    sum(if(part IN ('entry', 'first'), toInt64(e.bounces), 0))        AS entry_bounces,
    sum(if(part IN ('entry', 'first'), e.duration_ms + e.entry_lead_ms, 0)) AS entry_duration_ms
FROM events AS e
ARRAY JOIN
    multiIf(
        e.event_type != 'page_view', ['entry'],
        e.day != e.session_day, ['view', 'seen', 'left', 'entry'],
        e.prev_path = '', ['first'],
        e.prev_path = e.path, ['page', 'entry'],
        ['page', 'left', 'entry']
    )::Array(Enum8('view' = 1, 'seen' = 2, 'left' = 3, 'entry' = 4, 'page' = 5, 'first' = 6)) AS part
WHERE $scope
  AND NOT e.is_excluded
  AND e.session_id != 0
  AND (e.event_type = 'page_view' OR (e.entry_path != '' AND (e.bounces != 0 OR e.duration_ms != 0)))
  AND NOT (part = 'left' AND e.prev_path IN ('', e.path))
GROUP BY website_id, day, is_bot, path, content_group, epoch;
