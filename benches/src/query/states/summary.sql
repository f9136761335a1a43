SELECT
    uniqMerge(s.visits) AS visits,
    uniqMerge(s.visitors) AS unique_visitors,
    sum(s.pageviews) AS pageviews,
    100 * sum(s.bounces) / uniqMerge(s.visits) AS bounce_rate,
    sum(s.duration_ms) / 1000 / uniqMerge(s.visits) AS avg_session_duration_sec
FROM states_site AS s
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot
