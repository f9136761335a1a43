-- What reports are counted from, piece by piece: the parts of their tables, and the tables themselves. A rollup's tables have
-- its name and a number. A part's name changes with every insert, merge and mutation; the hash of its files tells two parts
-- apart that were given the same name before and after a restart.
SELECT
    p.table                                                               AS name,
    false                                                                 AS is_table,
    toUInt16(p.min_date)                                                  AS first_day,
    -- A part that does not know its days may have any.
    if(p.max_date = toDate(0), 65535, toUInt16(p.max_date))::UInt16       AS last_day,
    reinterpretAsUInt128(sipHash128(p.table, p.name, p.hash_of_all_files)) AS mark
FROM system.parts AS p
WHERE p.active
  AND p.database = currentDatabase()
  AND replaceRegexpOne(p.table, '_[0-9]+\\z', '') IN {names:Array(String)}
UNION ALL
SELECT
    t.name,
    -- Of replicas one may know more than the other, and nobody says which one is asked.
    (endsWith(t.engine, 'MergeTree') AND NOT match(t.engine, '^(Replicated|Shared)'))::Bool,
    0::UInt16,
    65535::UInt16,
    reinterpretAsUInt128(sipHash128(t.name, t.uuid))
FROM system.tables AS t
WHERE t.database = currentDatabase()
  AND replaceRegexpOne(t.name, '_[0-9]+\\z', '') IN {names:Array(String)}
SETTINGS max_threads = 1
