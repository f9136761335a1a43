-- What happens at a website just now. An event's day may be the one before or after in its zone.
SELECT
    toString($key) AS key,
    toInt64($count) AS count
FROM events
WHERE website_id = {site:UUID}
  AND day BETWEEN {start:Date} AND {end:Date}
  AND time > fromUnixTimestamp64Milli({after:Int64}, 'UTC')
  AND time <= fromUnixTimestamp64Milli({now:Int64}, 'UTC')
  AND $rows
  AND NOT is_excluded
  AND NOT is_bot
GROUP BY key
ORDER BY count DESC, key
LIMIT 10
