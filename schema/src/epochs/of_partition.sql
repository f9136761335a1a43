SELECT epoch
FROM load_checkpoints
WHERE stream = {stream:String} AND kafka_partition = {partition:UInt16}
ORDER BY written_at DESC
LIMIT 1
