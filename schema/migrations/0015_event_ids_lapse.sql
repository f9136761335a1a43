-- The id that a caller gives an event tells repeats from news: within 24 hours, and however long the loaders may be behind the
-- stream, which keeps events for seven days. Then it is of no more use, and 128 random bits are what nothing compresses: more
-- than a third of all that is stored. An event that was received at another time than it happened keeps its id: a line of a
-- log is imported once, whenever the log is imported again.
ALTER TABLE events
    MODIFY COLUMN event_id TTL if(received_after_ms = 0, toDateTime(time, 'UTC') + toIntervalDay(10), toDateTime('2106-01-01 00:00:00', 'UTC'));

-- Parts are written again for it once a day and no more often.
ALTER TABLE events
    MODIFY SETTING merge_with_ttl_timeout = 86400;
