SELECT count() > 0
FROM system.tables
WHERE database = currentDatabase() AND name = 'migration_lock' AND comment = toString({holder:UUID})
