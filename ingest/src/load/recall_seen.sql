-- Who was seen on a website's day, and which of the callers' event ids.
SELECT
    groupUniqArrayIf((visitor_id, is_bot), NOT is_excluded)                       AS visitors,
    groupUniqArrayIf(event_id, event_id != toUUID('00000000-0000-0000-0000-000000000000')) AS event_ids
FROM events
WHERE website_id = {website:UUID} AND day = toDate({day:UInt16})
  AND (stream != {stream:String} OR (kafka_partition = {partition:UInt16} AND kafka_offset < {before:UInt64}))
