-- The last day from which a horizon takes events away: those of sessions that began before it.
SELECT toUInt16(max(day))
FROM events
WHERE website_id = {website:UUID} AND session_id != 0 AND toUInt16(session_day) < {horizon:UInt16}
