SELECT event_name AS name, count() AS count
FROM events
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND event_type = 'custom'
  AND NOT is_excluded AND NOT is_bot
GROUP BY event_name
ORDER BY count DESC, name
LIMIT 50
