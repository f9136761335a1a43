-- What tables and views are, over several lines so that a difference can be told by its line. One that is being dropped in this
-- moment is listed without a text: it is gone.
SELECT name, formatQuery(replaceRegexpOne(create_table_query, 'DEFINER = [^ ]+ SQL SECURITY [A-Z]+', '')) AS definition
FROM system.tables
WHERE database = currentDatabase() AND create_table_query != ''
ORDER BY name
