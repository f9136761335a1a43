SELECT referrer, sum(e.visits) AS visits
FROM events AS e
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND referrer != ''
  AND NOT is_excluded AND NOT is_bot
GROUP BY referrer
HAVING visits > 0
ORDER BY visits DESC, referrer
LIMIT 50
