INSERT INTO erasures (id, kind, website_id, visitor, before, epoch, state)
SELECT {id:UUID}, {kind:String}, {website:UUID}, {visitor:String}, {before:Int64}, {epoch:UInt32}, {state:String}
