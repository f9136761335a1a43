-- Salts of the visitor hash: one per calendar day, shared by all collectors. A row without a salt is a claim on its day.
-- Partitions are dropped when their time has come, which removes the bytes and not only the rows.
CREATE TABLE IF NOT EXISTS salts
(
    day        Date,
    salt       String               COMMENT '128 random bits, encrypted under the master key, base64',
    claim      UUID                 COMMENT 'tells claims of the same instant apart',
    claimed_at DateTime64(9, 'UTC') DEFAULT now64(9),
    destroy_at DateTime('UTC')      COMMENT 'after this instant the salt is destroyed'
)
ENGINE = MergeTree
PARTITION BY toStartOfHour(destroy_at)
ORDER BY (day, claimed_at)
SETTINGS old_parts_lifetime = 1;
