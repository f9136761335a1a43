-- Counts of a page by day, from the events taken apart by the pages that they say something of.
SELECT
    bucket,
    [$metrics]::Array(Int64) AS counts
FROM
(
    $facts
)
WHERE $rows
GROUP BY bucket
