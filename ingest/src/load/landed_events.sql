-- Which offsets of a range have a row of the same receipt time already. The days lead to the rows by the table's key.
SELECT kafka_offset, addMilliseconds(time, received_after_ms) AS received_at
FROM events
WHERE (website_id, day) IN (SELECT arrayJoin(arrayZip({websites:Array(UUID)}, arrayMap(day -> toDate(day), {days:Array(UInt16)}))))
  AND stream = {stream:String} AND kafka_partition = {partition:UInt16}
  AND kafka_offset >= {from:UInt64} AND kafka_offset < {to:UInt64}
