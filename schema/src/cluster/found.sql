-- The cluster that the tables were made for: its name (empty: one node), and whether a Keeper keeps its tables together.
SELECT
    currentDatabase()                                                       AS own,
    anyIf(extract(engine_full, '^Distributed\\(\'([^\']+)'), name = 'events') AS cluster,
    countIf(name = 'events_local' AND startsWith(engine, 'Replicated')) > 0 AS replicated,
    countIf(name = 'events') > 0                                            AS made
FROM system.tables AS t
WHERE t.database = currentDatabase() AND t.name IN ('events', 'events_local')
