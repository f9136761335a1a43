-- The newest epoch, and whether it is held.
SELECT epoch AS number, held_until > now64(3) AS held
FROM load_epochs
ORDER BY epoch DESC, written_at DESC
LIMIT 1
