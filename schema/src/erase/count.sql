SELECT count() FROM $table WHERE $condition
