-- Totals of a scope, from a rollup: each row already lies on the day that its facts belong to.
SELECT [$metrics]::Array(Int64) AS counts
FROM {table:Identifier}
WHERE website_id = {site:UUID}
  AND day BETWEEN {start:Date} AND {end:Date}
  AND ({include_bots:Bool} OR NOT is_bot)
  AND $of_events
