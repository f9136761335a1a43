SELECT state
FROM erasures
WHERE website_id = {website:UUID} AND id = {id:UUID}
ORDER BY written_at DESC
LIMIT 1
