SELECT DISTINCT day
FROM rollup_days
WHERE table_name = {table:String} AND epoch = {upto:UInt32} AND job = {job:UUID}
