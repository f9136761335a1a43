-- The audit log: who did what to which website or account, and when. It holds no secret and no personal data: of a
-- visitor who was erased a hash, of a deletion the numbers of rows.
CREATE TABLE IF NOT EXISTS audit_log
(
    at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    actor      String                 COMMENT 'a user''s id, or the program that acted by itself',
    action     LowCardinality(String) COMMENT 'what was done, such as website.delete',
    account_id UUID                   COMMENT 'the account that it is about; nil: none',
    website_id UUID                   COMMENT 'the website that it is about; nil: none',
    subject    String                 COMMENT 'what else it is about: an id, a date or a hash',
    detail     String                 COMMENT 'how it went: settings and numbers of rows, as JSON'
)
ENGINE = MergeTree
PARTITION BY toYear(at)
ORDER BY at;

-- Erasures: what must not be in the store any more, and how far the work is. The last row of an id tells the state.
-- Loaders read those whose epoch they are in or beyond, and drop such events: what was still in the stream, and what is
-- read again when offsets are set back. So rows are never deleted.
CREATE TABLE IF NOT EXISTS erasures
(
    id          UUID,
    kind        LowCardinality(String) COMMENT 'website: all of it; days: its days before one; visitor: a person''s events',
    website_id  UUID,
    visitor     String               COMMENT 'SHA-256 of website and visitor, hexadecimal; of the kind visitor only',
    before      Int64                COMMENT 'days: the first day that stays, since 1970-01-01; visitor: events received before, in ms',
    epoch       UInt32               COMMENT 'from this epoch on loaders drop; 0: asked for and not begun',
    state       LowCardinality(String) COMMENT 'requested, begun or done',
    written_at  DateTime64(9, 'UTC') DEFAULT now64(9)
)
ENGINE = MergeTree
ORDER BY (website_id, id, written_at);
