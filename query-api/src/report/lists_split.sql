ARRAY JOIN
    [$lists]::Array(String) AS key_of_list,
    arrayEnumerate({ordered_by:Array(UInt8)}) AS at
