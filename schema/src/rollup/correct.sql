-- Inserts what a table differs by: one block, so one step for its readers. A maintainer whose lock another one has taken
-- over is refused.
INSERT INTO $table ($keys, $sums, epoch)
SELECT *, toUInt32({upto:UInt32} - 1)
FROM ($difference)
WHERE $fence
