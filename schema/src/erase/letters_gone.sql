(stream, kafka_partition, kafka_offset) IN (SELECT arrayJoin(arrayZip({streams:Array(String)}, {partitions:Array(UInt16)}, {offsets:Array(UInt64)})))
