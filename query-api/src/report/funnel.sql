-- How many sessions got how far through a list of steps.
--
-- An event is a set of the steps that it could be: one bit each, looked up by its page and by its names. The events of a
-- session are walked in the order of their times, and of the stream where times are equal; an event that could be the next
-- step is that step, and no other. Taking the first event that fits never loses a session that could have got farther.
--
-- What is known of an event is one number, so that events are collected and sorted as numbers: its time before its steps.
-- Bit 20 is never set, so that nobody gets farther than the last step. An excluded event belongs to no session.
WITH
    bitOr(
        if(event_type = 'page_view', transform(path, {paths:Array(String)}, {path_steps:Array(UInt32)}, toUInt32(0)), toUInt32(0)),
        bitOr(
            transform(event_type, {names:Array(String)}, {name_steps:Array(UInt32)}, toUInt32(0)),
            transform(event_name, {names:Array(String)}, {name_steps:Array(UInt32)}, toUInt32(0))
        )
    ) AS could_be
SELECT reached, toInt64(count()) AS sessions, groupArrayIf(1000)(session_id, reached = 255) AS open
FROM
(
    SELECT
        session_id,
        arraySort(groupArray($event)) AS walked,
        if(
            $is_open,
            toUInt8(255),
            arrayFold((done, event) -> toUInt8(done + bitTest(toUInt32(event), done)), walked, toUInt8(0))
        ) AS reached
    FROM events
    WHERE website_id = {site:UUID}
      AND day >= {before:Date}
      AND session_id != 0
      AND $session_range
      AND $of_sessions
      AND could_be != 0
      AND $of_bots
      $some
    GROUP BY session_id
)
GROUP BY reached
