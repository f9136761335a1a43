-- The day of the website's first event. The rollup answers it from a few rows: its key starts with website and day.
SELECT minOrNull(day) AS day
FROM {table:Identifier}
WHERE website_id = {site:UUID}
