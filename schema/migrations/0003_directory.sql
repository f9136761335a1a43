-- The directory: accounts, users and websites. The newest version of a row is the row; readers use FINAL.
-- A website's version 0 is the reservation of its domain, version 1 its end; a website that exists has more.
-- `claimed_at` is the store's own clock; of two reservations the later one yields.
CREATE TABLE IF NOT EXISTS accounts
(
    id         UUID,
    name       String,
    created_at DateTime64(3, 'UTC'),
    version    UInt64,
    is_deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id;

CREATE TABLE IF NOT EXISTS users
(
    id         UUID,
    account_id UUID,
    email      String,
    role       LowCardinality(String),
    key_hash   String COMMENT 'SHA-256 of the API key, hexadecimal',
    key_sealed String COMMENT 'the API key, encrypted under the master key, base64',
    created_at DateTime64(3, 'UTC'),
    version    UInt64,
    is_deleted Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id;

CREATE TABLE IF NOT EXISTS websites
(
    id             UUID,
    account_id     UUID,
    domain         String,
    timezone       LowCardinality(String)               COMMENT 'IANA name',
    content_groups Array(Tuple(String, String)) COMMENT 'names and patterns, in order: the first match wins',
    excluded_ips   Array(String)                        COMMENT 'addresses and CIDR ranges',
    created_at     DateTime64(3, 'UTC'),
    claimed_at     DateTime64(9, 'UTC') DEFAULT now64(9),
    version        UInt64,
    is_deleted     Bool
)
ENGINE = ReplacingMergeTree(version)
ORDER BY id;
