website_id IN {websites:Array(UUID)}
AND toUInt16(if(session_id = 0, day, least(day, session_day))) < {horizons:Array(UInt16)}[indexOf({websites:Array(UUID)}, website_id)]
