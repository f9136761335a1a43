INSERT INTO rollup_days (table_name, epoch, job, day, events)
SELECT {table:String}, {upto:UInt32}, {job:UUID}, toDate({from:UInt16}) + number, if(number = 0, {events:UInt64}, 0)
FROM numbers(dateDiff('day', toDate({from:UInt16}), toDate({to:UInt16})) + 1)
