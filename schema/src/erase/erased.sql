-- What loaders of an epoch drop; the newest word on a website's days or on a visitor counts.
SELECT toString(e.kind) AS kind, e.website_id AS website_id, e.visitor AS visitor, argMax(e.before, (e.epoch, e.written_at)) AS until
FROM erasures AS e
WHERE e.epoch BETWEEN 1 AND {epoch:UInt32}
GROUP BY e.kind, e.website_id, e.visitor
