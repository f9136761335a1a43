-- Which of some ids others want too, or have had a turn already. All others are free. The batch's own wants are none: the
-- first event of an id speaks for those of the same batch. What is not one of the ids is passed by before anything else is read.
SELECT DISTINCT website_id, event_id
FROM event_claims
PREWHERE website_id IN (SELECT arrayJoin({websites:Array(UUID)})) AND event_id IN ($ids)
WHERE received_at BETWEEN fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND fromUnixTimestamp64Milli({until:Int64}, 'UTC')
  AND NOT (
      turn = 0 AND stream = {stream:String} AND kafka_partition = {partition:UInt16}
      AND kafka_offset BETWEEN {from:UInt64} AND {to:UInt64}
  )
