website_id IN {websites:Array(UUID)}
AND toUInt16(day) < {horizons:Array(UInt16)}[indexOf({websites:Array(UUID)}, website_id)]
