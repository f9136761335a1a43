-- Whether no loader has ever had to do with this database.
SELECT (SELECT count() FROM (SELECT 1 FROM events LIMIT 1)) = 0
   AND (SELECT count() FROM load_epochs) = 0
   AND (SELECT count() FROM load_checkpoints) = 0
