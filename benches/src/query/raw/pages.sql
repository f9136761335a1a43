SELECT path, count() AS pageviews, sum(unique_pageview) AS uniquePageviews
FROM events
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND event_type = 'page_view'
  AND NOT is_excluded AND NOT is_bot
GROUP BY path
ORDER BY pageviews DESC, path
LIMIT 50
