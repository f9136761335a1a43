SELECT channel, uniqMerge(s.visits) AS visits
FROM states_sources AS s
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot
GROUP BY channel
ORDER BY visits DESC, channel
LIMIT 50
