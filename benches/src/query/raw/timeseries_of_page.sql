SELECT day AS date, count() AS value
FROM events
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND event_type = 'page_view' AND path = '/pricing'
  AND NOT is_excluded AND NOT is_bot
GROUP BY day
ORDER BY date WITH FILL FROM {start:Date} TO {end:Date} + 1
