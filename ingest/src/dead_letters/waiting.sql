-- How many dead letters may be replayed.
SELECT uniqExact(stream, kafka_partition, kafka_offset)
FROM dead_letters
WHERE ({reason:String} = '' OR reason = {reason:String})
  AND (stream, kafka_partition, kafka_offset) NOT IN
  (
      SELECT stream, kafka_partition, kafka_offset
      FROM dead_letter_replays
      GROUP BY stream, kafka_partition, kafka_offset
      HAVING sum(appended) > 0 OR (sum(begun) > 0 AND NOT {unsure:Bool})
  )
