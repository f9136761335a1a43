-- The offset after the last one of a partition that is a row or a dead letter; 0 when there is none.
SELECT toUInt64(max(end)) AS end
FROM
(
    SELECT max(last_offset) + 1 AS end
    FROM stream_positions
    WHERE stream = {stream:String} AND kafka_partition = {partition:UInt16}
    HAVING count() > 0
    UNION ALL
    SELECT max(kafka_offset) + 1 AS end
    FROM dead_letters
    WHERE stream = {stream:String} AND kafka_partition = {partition:UInt16}
    HAVING count() > 0
)
