-- Totals of a scope, from the events.
--
-- Facts of events belong to the event's day, facts of sessions to the day of the session's start. A session may go on
-- over midnight, so its rows are looked for on all later days too; and an event that came in late may lie before its
-- session's start, by less than the gap that splits sessions, hence the one day `before`.
WITH
    $event_range AND $of_events AS of_event,
    session_id != 0 AND $session_range AND $of_sessions AS of_session
SELECT [$metrics]::Array(Int64) AS counts
FROM events
WHERE website_id = {site:UUID}
  AND $reach
  AND NOT is_excluded
  AND ({include_bots:Bool} OR NOT is_bot)
