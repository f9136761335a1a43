-- Counts by a dimension, the most frequent first, from a rollup: each row already lies on the day that its facts belong
-- to.
SELECT
    $shown AS key,
    toString($label) AS label,
    [$metrics]::Array(Int64) AS counts
FROM {table:Identifier}
$split
WHERE website_id = {site:UUID}
  AND day BETWEEN {start:Date} AND {end:Date}
  AND ({include_bots:Bool} OR NOT is_bot)
  AND $of_events
  AND $rows
  AND $named
GROUP BY $keys
$page
