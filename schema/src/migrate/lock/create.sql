-- Whose it is stands in the comment: that is made in one step with the table.
CREATE TABLE migration_lock (holder UUID, beat DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY beat
COMMENT '$holder'
