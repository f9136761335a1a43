SELECT path, sum(s.pageviews) AS pageviews, uniqMerge(s.visits) AS uniquePageviews
FROM states_pages AS s
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date} AND NOT is_bot
GROUP BY path
ORDER BY pageviews DESC, path
LIMIT 50
