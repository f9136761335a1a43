-- Inserts what a table differs by: one block, so one step for its readers.
INSERT INTO $table ($keys, $sums, epoch)
SELECT *, toUInt32({upto:UInt32} - 1)
FROM ($difference)
