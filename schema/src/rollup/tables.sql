-- The tables of rollups that are there, each with its last state.
SELECT
    t.rollup                          AS rollup,
    table_name,
    argMax(t.version, written_at)     AS version,
    argMax(t.checksum, written_at)    AS checksum,
    argMax(t.since_epoch, written_at) AS since_epoch,
    argMax(t.state, written_at)       AS state
FROM rollup_tables AS t
GROUP BY t.rollup, table_name
HAVING state != 'dropped'
ORDER BY t.rollup, since_epoch
