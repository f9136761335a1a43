SELECT 'top_pages' AS list, path AS name, uniqExact(visitor_id) AS number
FROM events
WHERE website_id = {site:UUID} AND day = {end:Date} AND time > toDateTime64({end:Date} + 1, 3, 'UTC') - INTERVAL 30 MINUTE
  AND event_type = 'page_view'
  AND NOT is_excluded AND NOT is_bot
GROUP BY path
ORDER BY number DESC, path
LIMIT 10
UNION ALL
SELECT 'events_by_type' AS list, event_type AS name, count() AS number
FROM events
WHERE website_id = {site:UUID} AND day = {end:Date} AND time > toDateTime64({end:Date} + 1, 3, 'UTC') - INTERVAL 30 MINUTE
  AND NOT is_excluded AND NOT is_bot
GROUP BY event_type
ORDER BY number DESC, event_type
LIMIT 10
