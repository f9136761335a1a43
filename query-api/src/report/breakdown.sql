-- Counts by a dimension, the most frequent first, from the events. What makes a row an event or a part of a session of
-- the scope is as in totals.sql.
WITH
    $event_range AND $of_events AS of_event,
    session_id != 0 AND $session_range AND $of_sessions AS of_session
SELECT
    $shown AS key,
    toString($label) AS label,
    [$metrics]::Array(Int64) AS counts
FROM events
$split
WHERE website_id = {site:UUID}
  AND $reach
  AND $rows
  AND $named
  AND NOT is_excluded
  AND ({include_bots:Bool} OR NOT is_bot)
GROUP BY $keys
$page
