-- The turns that some events of a partition have.
SELECT kafka_offset AS offset, max(turn) AS its_turn
FROM event_claims
WHERE website_id IN (SELECT arrayJoin({websites:Array(UUID)}))
  AND event_id IN ($ids)
  AND stream = {stream:String} AND kafka_partition = {partition:UInt16}
  AND kafka_offset BETWEEN {from:UInt64} AND {to:UInt64}
  AND turn > 0
GROUP BY kafka_offset
