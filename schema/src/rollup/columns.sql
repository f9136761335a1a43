-- A rollup's columns: those that it is sorted by are keys, the others sums. On a cluster only the local table is sorted.
SELECT name, max(is_in_sorting_key) = 1 AS is_key
FROM system.columns
WHERE database = currentDatabase() AND table IN ({table:String}, concat({table:String}, '_local')) AND name != 'epoch'
GROUP BY name
ORDER BY min(position)
