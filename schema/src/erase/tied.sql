-- The hashes of all whom some visitors' sessions tie to them, themselves included where they have rows.
WITH
    lower(hex(SHA256(concat(toString(website_id), '/', toString(visitor_id))))) AS visitor,
    if(person = 0, visitor, lower(hex(SHA256(concat(toString(website_id), '/', toString(person)))))) AS owner,
    sessions AS
    (
        SELECT session_id
        FROM events
        WHERE website_id = {website:UUID} AND session_id != 0
          AND (visitor IN {visitors:Array(String)} OR owner IN {visitors:Array(String)})
    )
SELECT DISTINCT arrayJoin([visitor, owner])
FROM events
WHERE website_id = {website:UUID}
  AND (visitor IN {visitors:Array(String)} OR owner IN {visitors:Array(String)} OR session_id IN (SELECT session_id FROM sessions))
