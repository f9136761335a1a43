-- What happens at a website just now, as three lists: visitors, visitors by page, events by type. An event's day may be the
-- one before or after in its zone.
SELECT
    side.1 AS list,
    side.2 AS key,
    toInt64(if(list = 3, count(), uniqExact(visitor_id))) AS count
FROM events
ARRAY JOIN arrayFilter(side -> side.1 != 2 OR event_type = 'page_view', [
    (toUInt8(1), ''),
    (toUInt8(2), path),
    (toUInt8(3), toString(event_type))
]) AS side
WHERE website_id = {site:UUID}
  AND day BETWEEN {start:Date} AND {end:Date}
  AND time > fromUnixTimestamp64Milli({after:Int64}, 'UTC')
  AND time <= fromUnixTimestamp64Milli({now:Int64}, 'UTC')
  AND NOT is_excluded
  AND NOT is_bot
GROUP BY list, key
ORDER BY list, count DESC, key
LIMIT 10 BY list
