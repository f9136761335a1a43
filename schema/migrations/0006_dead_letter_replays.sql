-- What became of dead letters that were put into the stream again. Sums tell: begun = 0, the letter is as if never
-- replayed; appended > 0, it is in the stream again; else its replay was cut off and nobody knows.
CREATE TABLE IF NOT EXISTS dead_letter_replays
(
    stream          LowCardinality(String),
    kafka_partition UInt16,
    kafka_offset    UInt64,
    begun           Int8                 COMMENT '1 before the letter is appended, -1 when the stream did not take it',
    appended        UInt8                COMMENT '1 when the letter is durable in the stream again',
    recorded_at     DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (stream, kafka_partition, kafka_offset);
