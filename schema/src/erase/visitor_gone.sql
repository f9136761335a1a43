website_id = {website:UUID}
AND lower(hex(SHA256(concat(toString(website_id), '/', toString(visitor_id))))) IN {visitors:Array(String)}
