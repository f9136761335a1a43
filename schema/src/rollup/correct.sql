-- Inserts what a table differs by: one block, so one step for its readers. A maintainer whose lock another one has taken
-- over is refused. On a cluster a condition moved into the question would name columns of the events that its groups do not
-- have.
INSERT INTO $table ($keys, $sums, epoch)
SELECT *, toUInt32({upto:UInt32} - 1)
FROM ($difference)
WHERE $fence
SETTINGS allow_push_predicate_ast_for_distributed_subqueries = 0
