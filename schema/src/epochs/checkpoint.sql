INSERT INTO load_checkpoints (stream, kafka_partition, epoch, kafka_offset)
SELECT {stream:String}, {partition:UInt16}, {epoch:UInt32}, {offset:UInt64}
