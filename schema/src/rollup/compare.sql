-- The keys that differ, and by how much (events minus table), the first of them by website, day and key.
SELECT
    website_id,
    day,
    toString(tuple($keys))           AS key,
    [$difference_names]::Array(Int64) AS differences
FROM ($difference)
ORDER BY website_id, day, key
LIMIT {limit:UInt64}
