SELECT
    sum(e.visits) AS visits,
    uniqExact(if(e.is_identified, toDate(0), e.day), e.visitor_id) AS unique_visitors,
    countIf(e.event_type = 'page_view') AS pageviews,
    100 * sum(e.bounces) / sum(e.visits) AS bounce_rate,
    sum(e.duration_ms) / 1000 / sum(e.visits) AS avg_session_duration_sec
FROM events AS e
WHERE e.website_id = {site:UUID} AND e.day BETWEEN {start:Date} AND {end:Date}
  AND e.country = 'DE'
  AND NOT e.is_excluded AND NOT e.is_bot
