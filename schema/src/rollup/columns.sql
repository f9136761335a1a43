-- A rollup's columns: those that it is sorted by are keys, the others sums.
SELECT name, is_in_sorting_key = 1 AS is_key
FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} AND name != 'epoch'
ORDER BY position
