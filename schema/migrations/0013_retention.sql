-- A website may keep its events for a number of days only.
ALTER TABLE websites
    ADD COLUMN IF NOT EXISTS retention_days UInt16 COMMENT 'whole days before today that are kept; 0: all' AFTER respect_dnt;
