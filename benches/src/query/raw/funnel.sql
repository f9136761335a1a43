SELECT step, sessions
FROM
(
    SELECT [countIf(level >= 1), countIf(level >= 2), countIf(level >= 3)] AS reached
    FROM
    (
        SELECT windowFunnel(86400000)(
            toUInt64(toUnixTimestamp64Milli(time)),
            event_type = 'page_view' AND path = '/',
            event_type = 'page_view' AND path = '/pricing',
            event_name = 'signup'
        ) AS level
        FROM events
        WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
          AND session_id != 0
          AND NOT is_excluded AND NOT is_bot
        GROUP BY session_id
    )
)
ARRAY JOIN ['/', '/pricing', 'signup'] AS step, reached AS sessions
