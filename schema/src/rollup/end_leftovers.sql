KILL QUERY WHERE startsWith(query_id, '$prefix') SYNC
