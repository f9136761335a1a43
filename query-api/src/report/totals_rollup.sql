-- Totals of a whole website, from its rollup by hour: each row already lies on the day that its facts belong to.
SELECT [$metrics]::Array(Int64) AS counts
FROM site_totals
WHERE website_id = {site:UUID}
  AND day BETWEEN {start:Date} AND {end:Date}
  AND ({include_bots:Bool} OR NOT is_bot)
