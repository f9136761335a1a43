(SELECT throwIf(count() = 0, 'another maintainer has taken over') FROM system.tables WHERE database = currentDatabase() AND name = 'migration_lock' AND comment = '$holder') = 0
