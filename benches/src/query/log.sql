-- What the server has answered in a database, and what each answer took.
SELECT
    toUnixTimestamp64Micro(query_start_time_microseconds) AS began,
    toUnixTimestamp64Micro(event_time_microseconds) AS ended,
    ProfileEvents['UserTimeMicroseconds'] + ProfileEvents['SystemTimeMicroseconds'] AS cpu,
    read_rows AS rows,
    read_bytes AS bytes
FROM system.query_log
WHERE type = 'QueryFinish'
  AND query_kind = 'Select'
  AND current_database = {database:String}
  AND Settings['readonly'] = '2'
  AND query_start_time_microseconds >= fromUnixTimestamp64Micro({since:Int64})
ORDER BY began
