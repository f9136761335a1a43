SELECT count() AS events, uniqExact(day) AS days
FROM events
