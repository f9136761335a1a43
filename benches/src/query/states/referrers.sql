SELECT referrer, uniqMerge(s.visits) AS visits
FROM states_sources AS s
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot
  AND referrer != ''
GROUP BY referrer
ORDER BY visits DESC, referrer
LIMIT 50
