-- The oldest dead letters that may be replayed, whole.
SELECT stream, kafka_partition, kafka_offset, payload
FROM dead_letters
WHERE ({reason:String} = '' OR reason = {reason:String})
  AND (stream, kafka_partition, kafka_offset) NOT IN
  (
      SELECT stream, kafka_partition, kafka_offset
      FROM dead_letter_replays
      GROUP BY stream, kafka_partition, kafka_offset
      HAVING sum(appended) > 0 OR (sum(begun) > 0 AND NOT {unsure:Bool})
  )
ORDER BY recorded_at, stream, kafka_partition, kafka_offset
LIMIT 1 BY stream, kafka_partition, kafka_offset
LIMIT {limit:UInt64}
