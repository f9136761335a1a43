-- How many sessions got how far through a list of steps.
--
-- An event is a set of the steps that it could be: one bit each, by its page and by its names. The events of a
-- session are walked in the order of their times, and of the stream where times are equal; an event that could be the next
-- step is that step, and no other. Taking the first event that fits never loses a session that could have got farther.
--
-- What is known of an event is one number, so that events are collected and sorted as numbers: its time before its steps.
-- Bit 20 is never set, so that nobody gets farther than the last step. An excluded event belongs to no session.
WITH $could_be AS could_be
SELECT reached, count() AS sessions, groupArrayIf(1000)(session_id, reached = 255) AS open
FROM
(
    SELECT
        session_id,
        $events AS walked,
        if(
            $is_open,
            toUInt8(255),
            arrayFold((done, event) -> toUInt8(done + bitTest(event, done)), walked, toUInt8(0))
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
