-- The events of some ids that are stored on some websites' days: when they were received, and their places.
SELECT website_id, event_id, addMilliseconds(time, received_after_ms) AS received_at, stream, kafka_partition, kafka_offset
FROM events
WHERE (website_id, day) IN (SELECT arrayJoin(arrayZip({websites:Array(UUID)}, arrayMap(day -> toDate(day), {days:Array(UInt16)}))))
  AND event_id IN (SELECT arrayJoin({ids:Array(UUID)}))
