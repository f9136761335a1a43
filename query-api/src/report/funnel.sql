-- How many sessions got how far through a list of steps.
--
-- An event is a set of the steps that it could be: one bit each, looked up by its page and by its names. The events of a
-- session are walked in the order of their times, and of the stream where times are equal; an event that could be the next
-- step is that step, and no other. Taking the first event that fits never loses a session that could have got farther.
--
-- An event's time, place and steps are one number, so that events are collected and sorted as numbers: 44 bits, 64, and 20.
WITH
    session_id != 0 AND $session_range AND $of_sessions AS of_session,
    bitOr(
        if(event_type = 'page_view', transform(path, {paths:Array(String)}, {path_steps:Array(UInt32)}, toUInt32(0)), toUInt32(0)),
        bitOr(
            transform(event_type, {names:Array(String)}, {name_steps:Array(UInt32)}, toUInt32(0)),
            transform(event_name, {names:Array(String)}, {name_steps:Array(UInt32)}, toUInt32(0))
        )
    ) AS could_be,
    bitOr(
        bitShiftLeft(toUInt128(toUnixTimestamp64Milli(time)), 84),
        bitOr(bitShiftLeft(toUInt128(kafka_offset), 20), toUInt128(could_be))
    ) AS event
SELECT reached, toInt64(count()) AS sessions
FROM
(
    SELECT
        arrayFold(
            (done, event) -> toUInt8(done + bitTest(toUInt32(event), done)),
            arraySort(groupArray(event)),
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
GROUP BY reached
