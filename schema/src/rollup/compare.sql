-- The keys that differ, and by how much (events minus table), the first of them by website, day and key.
-- On a cluster a condition moved into the question would name columns of the events that its groups do not have.
SELECT
    website_id,
    day,
    toString(tuple($keys))           AS key,
    [$difference_names]::Array(Int64) AS differences
FROM ($difference)
ORDER BY website_id, day, key
LIMIT {limit:UInt64}
SETTINGS allow_push_predicate_ast_for_distributed_subqueries = 0
