-- Whether no loader has ever had to do with this database.
SELECT (sum(rows) = 0)::Bool
FROM
(
    SELECT count() AS rows FROM (SELECT 1 FROM events LIMIT 1)
    UNION ALL
    SELECT count() FROM load_epochs
    UNION ALL
    SELECT count() FROM load_checkpoints
)
