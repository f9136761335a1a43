-- A heartbeat, unless another one has taken over.
INSERT INTO migration_lock (holder)
SELECT {holder:UUID}
FROM system.tables
WHERE database = currentDatabase() AND name = 'migration_lock' AND comment = toString({holder:UUID})
