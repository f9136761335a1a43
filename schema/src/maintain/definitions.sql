-- What tables and views are, over several lines so that a difference can be told by its line.
SELECT name, formatQuery(replaceRegexpOne(create_table_query, 'DEFINER = [^ ]+ SQL SECURITY [A-Z]+', '')) AS definition
FROM system.tables
WHERE database = currentDatabase()
ORDER BY name
