-- The latest dead letters, with what became of their replays.
SELECT
    letter.stream             AS stream,
    letter.kafka_partition    AS kafka_partition,
    letter.kafka_offset       AS kafka_offset,
    letter.reason             AS reason,
    letter.detail             AS detail,
    length(letter.payload)    AS bytes,
    letter.recorded_at        AS recorded_at,
    replay.begun              AS begun,
    replay.appended           AS appended
FROM dead_letters AS letter
LEFT JOIN
(
    SELECT stream, kafka_partition, kafka_offset, sum(begun) AS begun, sum(appended) AS appended
    FROM dead_letter_replays
    GROUP BY stream, kafka_partition, kafka_offset
) AS replay USING (stream, kafka_partition, kafka_offset)
WHERE {reason:String} = '' OR letter.reason = {reason:String}
ORDER BY recorded_at DESC, stream, kafka_partition, kafka_offset
LIMIT 1 BY stream, kafka_partition, kafka_offset
LIMIT {limit:UInt64}
