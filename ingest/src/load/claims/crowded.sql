-- Which of some ids more than one event wants, or have had a turn already. All others are free.
SELECT website_id, event_id
FROM event_claims
WHERE website_id IN (SELECT arrayJoin({websites:Array(UUID)}))
  AND event_id IN ($ids)
  AND received_at BETWEEN fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND fromUnixTimestamp64Milli({until:Int64}, 'UTC')
GROUP BY website_id, event_id
HAVING uniqExact(stream, kafka_partition, kafka_offset) > 1 OR max(turn) > 0
