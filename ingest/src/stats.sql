-- The counted events of some websites by category: all, those of the website's day, and those of its hour.
WITH indexOf({websites:Array(UUID)}, website_id) AS at,
     fromUnixTimestamp64Milli({hours:Array(Int64)}[at], 'UTC') AS hour,
     JSONExtractString(properties, 'category') AS named
SELECT
    multiIf(
        named IN ('page_view', 'user_action', 'trading', 'auth', 'error', 'performance', 'feature', 'system'), named,
        event_type = 'page_view', 'page_view',
        'user_action')                                                     AS category,
    count()                                                                AS events,
    countIf(day = toDate({days:Array(UInt16)}[at]))                        AS today,
    countIf(time >= hour AND time < hour + toIntervalHour(1))              AS this_hour,
    max(addMilliseconds(time, received_after_ms))                                                   AS newest
FROM events
WHERE website_id IN (SELECT arrayJoin({websites:Array(UUID)})) AND NOT is_bot AND NOT is_excluded
GROUP BY category
ORDER BY category
SETTINGS max_execution_time = 10
