-- Which of the asked website days have rows that this partition's loader must know.
SELECT DISTINCT website_id, day
FROM events
WHERE (website_id, day) IN (SELECT arrayJoin(arrayZip({websites:Array(UUID)}, arrayMap(day -> toDate(day), {days:Array(UInt16)}))))
  AND (stream != {stream:String} OR (kafka_partition = {partition:UInt16} AND kafka_offset < {before:UInt64}))
