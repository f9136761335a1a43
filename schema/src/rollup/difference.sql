-- How far a rollup's table is from the events, of closed epochs: per key, what the events say minus what the table says.
-- Keys where nothing differs are left out.
SELECT $keys, $differences
FROM
(
    SELECT $keys, $sums
    FROM ($facts)
    WHERE day BETWEEN toDate({from:UInt16}) AND toDate({to:UInt16})
    UNION ALL
    SELECT $keys, $negated
    FROM $table
    WHERE epoch < {upto:UInt32}
      AND day BETWEEN toDate({from:UInt16}) AND toDate({to:UInt16})
      AND ({every_website:Bool} OR website_id = {website:UUID})
)
GROUP BY $keys
HAVING $any_differs
