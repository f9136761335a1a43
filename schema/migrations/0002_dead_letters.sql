-- Dead letters: records that could not become rows, kept whole, once, with the reason.
CREATE TABLE IF NOT EXISTS dead_letters
(
    stream          LowCardinality(String),
    kafka_partition UInt16,
    kafka_offset    UInt64,
    reason          LowCardinality(String),
    detail          String,
    payload         String               COMMENT 'the record''s original bytes',
    recorded_at     DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (stream, kafka_partition, kafka_offset)
SETTINGS non_replicated_deduplication_window = 10000;
