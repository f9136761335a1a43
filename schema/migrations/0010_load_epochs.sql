-- Epochs: how changes of what is stored are kept apart from the loading that goes on meanwhile.
--
-- Every event row carries the epoch under which it was loaded. Whoever changes something begins a new epoch; each
-- loader takes it up between two batches and writes down from which offset on (its checkpoint). When all partitions
-- have, the rows of earlier epochs are complete: none can follow. While an epoch is held the loaders wait with the next batch.
CREATE TABLE IF NOT EXISTS load_epochs
(
    epoch      UInt32,
    held_until DateTime64(3, 'UTC') COMMENT 'until then loaders wait; the last row of an epoch tells',
    reason     LowCardinality(String),
    written_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (epoch, written_at);

-- The last row of a partition tells: rows from this offset on are of this epoch or a later one.
CREATE TABLE IF NOT EXISTS load_checkpoints
(
    stream          LowCardinality(String),
    kafka_partition UInt16,
    epoch           UInt32 COMMENT 'the greatest number: the stream is gone, and nobody waits for it',
    kafka_offset    UInt64,
    written_at      DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (stream, kafka_partition, written_at);

-- The tables that a rollup has had. The last row of a table tells its state: building, current, old or dropped.
CREATE TABLE IF NOT EXISTS rollup_tables
(
    rollup      LowCardinality(String),
    table_name  String,
    version     UInt32,
    checksum    String               COMMENT 'SHA-256 of the rollup''s file, hexadecimal',
    since_epoch UInt32               COMMENT 'rows of this epoch on come through its view, earlier ones from the backfill',
    state       LowCardinality(String),
    written_at  DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (rollup, table_name, written_at);

-- Days of a rollup's table that were made equal to the events, so that work that was cut off goes on where it stopped.
CREATE TABLE IF NOT EXISTS rollup_days
(
    table_name String,
    epoch      UInt32               COMMENT 'all events before this epoch are in',
    job        UUID                 COMMENT 'the work that this was a part of',
    day        Date,
    events     UInt64,
    written_at DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (table_name, epoch, job, day)
TTL toDateTime(written_at) + INTERVAL 30 DAY;
