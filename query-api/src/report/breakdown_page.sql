HAVING counts[1] > 0
ORDER BY counts[1] DESC, $keys
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
