-- The days that a table has or should have, with their number of events.
SELECT day, sum(events) AS events
FROM
(
    SELECT day, count() AS events
    FROM events
    WHERE epoch < {upto:UInt32} AND ({every_website:Bool} OR website_id = {website:UUID})
    GROUP BY day
    UNION ALL
    SELECT session_day, 0
    FROM events
    WHERE epoch < {upto:UInt32} AND ({every_website:Bool} OR website_id = {website:UUID}) AND session_id != 0
    GROUP BY session_day
    UNION ALL
    SELECT day, 0
    FROM $table
    WHERE epoch < {upto:UInt32} AND ({every_website:Bool} OR website_id = {website:UUID})
    GROUP BY day
)
WHERE day BETWEEN toDate({from:UInt16}) AND toDate({to:UInt16})
GROUP BY day
ORDER BY day
