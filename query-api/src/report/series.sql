-- Counts by day, from the events. What makes a row an event or a part of a session of the scope is as in totals.sql; a
-- row may be an event of one day and a part of a session of another, and is looked at once for each.
WITH
    $event_range AND $of_events AS in_events,
    session_id != 0 AND $session_range AND $of_sessions AS in_sessions,
    side.2 AS of_event,
    side.3 AS of_session
SELECT
    side.1 AS bucket,
    [$metrics]::Array(Int64) AS counts
FROM events
ARRAY JOIN arrayFilter(part -> part.2 OR part.3, [
    ($event_bucket, in_events, false),
    ($session_bucket, false, in_sessions)
]) AS side
WHERE website_id = {site:UUID}
  AND day >= {before:Date}
  AND $rows
  AND NOT is_excluded
  AND ({include_bots:Bool} OR NOT is_bot)
GROUP BY bucket
