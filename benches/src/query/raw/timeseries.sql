SELECT day AS date, sum(e.visits) AS value
FROM events AS e
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND NOT is_excluded AND NOT is_bot
GROUP BY day
ORDER BY date WITH FILL FROM {start:Date} TO {end:Date} + 1
