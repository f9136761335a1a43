website_id = {website:UUID}
AND event_id IN (
    SELECT event_id
    FROM events
    WHERE website_id = {website:UUID} AND event_id != toUUID('00000000-0000-0000-0000-000000000000')
      AND lower(hex(SHA256(concat(toString(website_id), '/', toString(visitor_id))))) IN {visitors:Array(String)}
)
