-- When the events of some ids that are stored on some websites' days were received.
SELECT website_id, event_id, received_at
FROM events
WHERE (website_id, day) IN (SELECT arrayJoin(arrayZip({websites:Array(UUID)}, arrayMap(day -> toDate(day), {days:Array(UInt16)}))))
  AND event_id IN (SELECT arrayJoin({ids:Array(UUID)}))
