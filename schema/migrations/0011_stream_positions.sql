-- Stream positions: how far each partition of each stream has come into the store. A loader whose offsets were set back
-- learns from it that what it reads was stored before.
CREATE TABLE IF NOT EXISTS stream_positions
(
    stream          LowCardinality(String),
    kafka_partition UInt16,
    last_offset     SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (stream, kafka_partition)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS stream_positions_view TO stream_positions AS
SELECT
    e.stream            AS stream,
    e.kafka_partition   AS kafka_partition,
    max(e.kafka_offset) AS last_offset
FROM events AS e
GROUP BY stream, kafka_partition;
