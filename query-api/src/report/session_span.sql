session_day BETWEEN {start:Date} AND {end:Date}
        AND session_start >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND session_start < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
