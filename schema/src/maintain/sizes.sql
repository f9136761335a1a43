SELECT table AS name, sum(bytes_on_disk) AS bytes
FROM system.parts
WHERE database = {database:String} AND active
GROUP BY table
