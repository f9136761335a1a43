-- Which offsets of a range became dead letters because the store refused their rows.
SELECT DISTINCT kafka_offset
FROM dead_letters
WHERE stream = {stream:String} AND kafka_partition = {partition:UInt16}
  AND kafka_offset >= {from:UInt64} AND kafka_offset < {to:UInt64}
  AND reason = 'refused_by_store'
