-- Whose turns of a batch the store has, by website and day of receipt.
SELECT website_id, toDate(received_at) AS day, kafka_offset AS mark
FROM event_claims
WHERE website_id IN (SELECT arrayJoin({websites:Array(UUID)}))
  AND event_id = {id:UUID}
