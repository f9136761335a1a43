-- Counts by a dimension, the most frequent first, from a rollup: each row already lies on the day that its facts belong
-- to.
SELECT
    [$keys]::Array(String) AS key,
    toString($label) AS label,
    [$metrics]::Array(Int64) AS counts
FROM $table
WHERE website_id = {site:UUID}
  AND day BETWEEN {start:Date} AND {end:Date}
  AND ({include_bots:Bool} OR NOT is_bot)
  AND $of_events
  AND $rows
  AND $named
GROUP BY $keys
HAVING counts[1] > 0
ORDER BY counts[1] DESC, $keys
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
