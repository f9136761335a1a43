-- Erasures that are not done: those that were written down, and websites that the directory has marked since. A mere
-- reservation of a domain has a version below 2.
WITH written AS
(
    SELECT
        id,
        argMax(r.kind, written_at)       AS kind,
        argMax(r.website_id, written_at) AS website_id,
        argMax(r.visitor, written_at)    AS visitor,
        argMax(r.before, written_at)     AS before,
        argMax(r.epoch, written_at)      AS epoch,
        argMax(r.state, written_at)      AS state
    FROM erasures AS r
    GROUP BY id
)
SELECT id, toString(kind) AS kind, website_id, visitor, before, epoch
FROM written
WHERE state != 'done'
UNION ALL
SELECT id, 'website', id, '', toInt64(0), toUInt32(0)
FROM websites FINAL
WHERE is_deleted AND version > 1 AND id NOT IN (SELECT id FROM written)
