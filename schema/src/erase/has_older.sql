SELECT count()
FROM
(
    SELECT 1
    FROM events
    WHERE website_id = {website:UUID} AND if(session_id = 0, day, least(day, session_day)) < toDate({horizon:UInt16})
    LIMIT 1
)
