-- How many sessions got how far through a list of steps.
--
-- An event is a set of the steps that it could be: one bit each. The events of a session are walked in the order of
-- their times, and of the stream where times are equal; an event that could be the next step is that step, and no other.
-- Taking the first event that fits never loses a session that could have got farther.
WITH
    session_id != 0 AND $session_range AND $of_sessions AS of_session,
    arraySum(arrayMap(
        (step, at) -> if(
            if(startsWith(step, '/'), event_type = 'page_view' AND path = step, event_type = step OR event_name = step),
            bitShiftLeft(toUInt32(1), at),
            toUInt32(0)
        ),
        {steps:Array(String)},
        range(length({steps:Array(String)}))
    )) AS could_be
SELECT sumForEach(arrayMap(at -> toInt64(reached > at), range(length({steps:Array(String)})))) AS sessions
FROM
(
    SELECT
        arrayFold(
            (done, event) -> toUInt8(done + bitTest(event.3, done)),
            arraySort(groupArray((time, kafka_offset, toUInt32(could_be)))),
            toUInt8(0)
        ) AS reached
    FROM events
    WHERE website_id = {site:UUID}
      AND day >= {before:Date}
      AND of_session
      AND could_be != 0
      AND NOT is_excluded
      AND ({include_bots:Bool} OR NOT is_bot)
    GROUP BY session_id
)
