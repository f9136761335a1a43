-- Which of some tables name visitors.
SELECT table
FROM system.columns
WHERE database = currentDatabase() AND name = 'visitor_id' AND table IN {tables:Array(String)}
