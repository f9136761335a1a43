SELECT day AS date, uniqMerge(s.visits) AS value
FROM states_site AS s
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot
GROUP BY day
ORDER BY date WITH FILL FROM {start:Date} TO {end:Date} + 1
