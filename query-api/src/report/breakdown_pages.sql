-- Counts by page, the most frequent first, from the events taken apart by the pages that they say something of.
SELECT
    [$keys]::Array(String) AS key,
    toString($label) AS label,
    [$metrics]::Array(Int64) AS counts
FROM
(
    $facts
)
WHERE $rows AND $named
GROUP BY $keys
HAVING counts[1] > 0
ORDER BY counts[1] DESC, $keys
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
