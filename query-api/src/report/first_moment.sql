-- When the first event of a website happened. Its days follow each other as its times do, so it is on the first of them.
SELECT toUnixTimestamp64Milli(minOrNull(time)) AS time
FROM events
WHERE website_id = {site:UUID} AND day = {day:Date} AND NOT is_excluded
