-- The first and the last page of every session.
SELECT list, page AS name, count() AS number
FROM
(
    SELECT argMin(path, time) AS first, argMax(path, time) AS last
    FROM events
    WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
      AND event_type = 'page_view'
      AND NOT is_excluded AND NOT is_bot
    GROUP BY session_id
)
ARRAY JOIN ['landing_pages', 'exit_pages'] AS list, [first, last] AS page
GROUP BY list, page
ORDER BY list, number DESC, page
LIMIT 50 BY list
