-- Counts by page, the most frequent first, from the events taken apart by the pages that they say something of.
SELECT
    $shown AS key,
    toString($label) AS label,
    [$metrics]::Array(Int64) AS counts
FROM
(
    $facts
)
$split
WHERE $rows AND $named
GROUP BY $keys
$page
