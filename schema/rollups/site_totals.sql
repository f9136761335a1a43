-- Site totals by hour: what a summary and a series of the whole site need.
--
-- Event facts (events, pageviews, unique_pageviews, visitors) belong to the event's day and hour; session facts
-- (visits, bounces, duration) to those of the session's start. So an event adds to two rows, one of each kind.
-- Anonymous visitors are per day and add up; identified ones recur on many days and need a state.
CREATE TABLE IF NOT EXISTS site_totals
(
    website_id       UUID,
    day              Date,
    hour             DateTime('UTC') COMMENT 'start of the UTC hour',
    is_bot           Bool,
    events           SimpleAggregateFunction(sum, Int64),
    pageviews        SimpleAggregateFunction(sum, Int64),
    unique_pageviews SimpleAggregateFunction(sum, Int64),
    visitors         SimpleAggregateFunction(sum, Int64) COMMENT 'anonymous visitors',
    identified       AggregateFunction(uniqExact, UInt64) COMMENT 'identified visitors',
    visits           SimpleAggregateFunction(sum, Int64),
    bounces          SimpleAggregateFunction(sum, Int64),
    duration_ms      SimpleAggregateFunction(sum, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (website_id, day, hour, is_bot)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS site_totals_view TO site_totals AS
SELECT
    e.website_id                                                   AS website_id,
    if(of_session, e.session_day, e.day)                           AS day,
    toStartOfHour(toDateTime(if(of_session, e.session_start, e.time), 'UTC')) AS hour,
    e.is_bot                                                       AS is_bot,
    sum(toInt64(NOT of_session))                                   AS events,
    sum(toInt64(NOT of_session AND e.event_type = 'page_view'))    AS pageviews,
    sum(if(of_session, 0, toInt64(e.unique_pageview)))             AS unique_pageviews,
    sum(if(of_session OR e.is_identified, 0, toInt64(e.visitors))) AS visitors,
    uniqExactStateIf(e.visitor_id, NOT of_session AND e.is_identified) AS identified,
    sum(if(of_session, toInt64(e.visits), 0))                      AS visits,
    sum(if(of_session, toInt64(e.bounces), 0))                     AS bounces,
    sum(if(of_session, e.duration_ms, 0))                          AS duration_ms
FROM events AS e
ARRAY JOIN if(e.session_id = 0, [false], [false, true]) AS of_session
WHERE NOT e.is_excluded
GROUP BY website_id, day, hour, is_bot;
