-- Websites of deleted accounts are deleted too. Of a deleted website only the id is kept; no later version can follow.
INSERT INTO websites (id, account_id, domain, timezone, content_groups, excluded_ips, respect_dnt, retention_days, created_at, version, is_deleted)
SELECT w.id, w.account_id, '', w.timezone, [], [], false, 0, w.created_at, 18446744073709551615, true
FROM websites AS w FINAL
WHERE NOT w.is_deleted AND w.version > 1 AND w.account_id IN (SELECT id FROM accounts FINAL WHERE is_deleted)
