HAVING counts[{ordered_by:Array(UInt8)}[at]] > 0
ORDER BY at, counts[{ordered_by:Array(UInt8)}[at]] DESC, key_of_list
LIMIT {offset:UInt64}, {limit:UInt64} BY at
