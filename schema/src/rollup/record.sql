-- How a rollup's table stands. A maintainer whose lock another one has taken over is refused: what it says comes too late, and
-- would be the last word.
INSERT INTO rollup_tables (rollup, table_name, version, checksum, since_epoch, state)
SELECT {rollup:String}, {table_name:String}, {version:UInt32}, {checksum:String}, {since_epoch:UInt32}, {state:String}
WHERE $fence
