-- Event claims: who may store an event id. Partitions of the stream are loaded by loaders that know nothing of each
-- other, and a retry from another address lands in another one. So an event that carries an id takes a turn first, like
-- a customer a number: it writes that it wants the id (turn 0), looks who else does, and writes its turn: 1 when it saw
-- nobody, else one more than the highest turn that it saw and 2 at least. The lowest turn stores the event; among equal
-- turns it is the lowest place. A loader that makes a batch again finds its turns here and decides as before.
--
-- Ids are hashes: a look-up meets another granule for each, so granules are small.
-- An id is good for 24 hours of receipt. Rows stay two days longer, so that a loader may lag.
CREATE TABLE IF NOT EXISTS event_claims
(
    website_id      UUID,
    event_id        UUID,
    stream          LowCardinality(String),
    kafka_partition UInt16,
    kafka_offset    UInt64,
    turn            UInt32               COMMENT '0: wants the id; 1: saw nobody else; else after whom it saw',
    received_at     DateTime64(3, 'UTC') COMMENT 'when a collector received the event',
    written_at      DateTime('UTC')      DEFAULT now()
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY (website_id, event_id, stream, kafka_partition, kafka_offset)
TTL written_at + INTERVAL 3 DAY
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 256, ttl_only_drop_parts = 1;
