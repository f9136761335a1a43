ALTER TABLE $table DELETE WHERE $condition
