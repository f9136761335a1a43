-- Every website that has, or had, a retention, with the horizon that was asked for last.
SELECT w.id AS id, toString(w.timezone) AS timezone, w.retention_days AS retention_days, d.horizon AS horizon
FROM websites AS w FINAL
LEFT JOIN
(
    SELECT website_id, argMax(e.before, e.written_at) AS horizon
    FROM erasures AS e
    WHERE e.kind = 'days'
    GROUP BY website_id
) AS d ON d.website_id = w.id
WHERE NOT w.is_deleted AND w.version > 1 AND (w.retention_days > 0 OR d.horizon > 0)
