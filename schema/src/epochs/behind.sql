-- The partitions whose last checkpoint is of an earlier epoch.
SELECT stream, kafka_partition, argMax(c.epoch, c.written_at) AS epoch
FROM load_checkpoints AS c
GROUP BY stream, kafka_partition
HAVING epoch < {epoch:UInt32}
ORDER BY stream, kafka_partition
