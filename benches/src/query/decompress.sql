-- Reads and decompresses columns of numbers and texts on one thread, and does nothing else with them.
SELECT count()
FROM events
WHERE website_id = {site:UUID} AND day BETWEEN {start:Date} AND {end:Date}
  AND NOT ignore(path, entry_path, time, session_id, visitor_id, duration_ms, session_start, event_type, country)
SETTINGS max_threads = 1
