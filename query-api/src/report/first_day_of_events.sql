-- The day of the website's first event, where the rollup is not whole yet.
SELECT minOrNull(day) AS day
FROM events
WHERE website_id = {site:UUID} AND NOT is_excluded
