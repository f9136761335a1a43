-- The sessions that have events on a website's day, whole: a session may have begun on an earlier day, and may have
-- gone on to the next one, which is the second by the calendar where a zone left out a day.
WITH of_day AS
(
    SELECT session_id, min(session_day) AS since
    FROM events
    WHERE website_id = {website:UUID} AND day = toDate({day:UInt16}) AND session_id != 0
      AND (stream != {stream:String} OR (kafka_partition = {partition:UInt16} AND kafka_offset < {before:UInt64}))
    GROUP BY session_id
)
SELECT
    session_id                                                               AS id,
    any(session_start)                                                       AS start,
    any(session_day)                                                         AS day_of_start,
    min(time)                                                                AS first,
    max(time)                                                                AS last,
    countIf(event_type = 'page_view')                                        AS page_views,
    countIf(event_type = 'custom')                                           AS customs,
    groupUniqArrayIf(path, event_type = 'page_view')                         AS paths,
    argMinIf(entry_path, (time, kafka_offset), entry_path != '')             AS entry,
    argMaxIf(path, (time, kafka_offset), event_type = 'page_view')           AS last_view,
    maxIf(time, event_type = 'page_view')                                    AS last_view_time,
    anyIf(if(person = 0, visitor_id, person), e.day = toDate({day:UInt16}))            AS owner,
    argMinIf(if(person = 0, visitor_id, person), e.day, e.day > toDate({day:UInt16}))  AS next_owner,
    minIf(e.day, e.day > toDate({day:UInt16}))                                         AS next_day,
    countIf(e.day > toDate({day:UInt16})) > 0                                          AS went_on,
    any(is_bot)                                                              AS bot,
    any(e.referrer)                                                          AS referrer,
    any(e.channel)                                                           AS channel,
    any(e.utm_source)                                                        AS utm_source,
    any(e.utm_medium)                                                        AS utm_medium,
    any(e.utm_campaign)                                                      AS utm_campaign,
    any(e.utm_term)                                                          AS utm_term,
    any(e.utm_content)                                                       AS utm_content,
    any(e.device_type)                                                       AS device_type,
    any(e.browser)                                                           AS browser,
    any(e.os)                                                                AS os,
    any(e.screen)                                                            AS screen,
    any(e.country)                                                           AS country,
    any(e.region)                                                            AS region,
    any(e.city)                                                              AS city,
    any(e.language)                                                          AS language
FROM events AS e
WHERE website_id = {website:UUID}
  AND day BETWEEN (SELECT min(since) FROM of_day) AND toDate({day:UInt16}) + 2
  AND session_id IN (SELECT session_id FROM of_day)
  AND (stream != {stream:String} OR (kafka_partition = {partition:UInt16} AND kafka_offset < {before:UInt64}))
GROUP BY session_id
ORDER BY min(kafka_offset)
