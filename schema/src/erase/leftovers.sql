-- Deleted websites that have rows all the same, though they were erased: a store that was put back from a copy, for example.
SELECT DISTINCT website_id
FROM events
WHERE website_id IN (SELECT website_id FROM erasures WHERE kind = 'website')
