ARRAY JOIN
    [$lists]::Array(Array(String)) AS list,
    arrayEnumerate({ordered_by:Array(UInt8)}) AS at
