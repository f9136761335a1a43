-- Users of deleted accounts, and those whose key is good for a deleted website only, are deleted too.
INSERT INTO users (id, account_id, website_id, email, role, key_hash, key_sealed, created_at, version, is_deleted)
SELECT u.id, u.account_id, u.website_id, '', u.role, '', '', u.created_at, u.version + 1, true
FROM users AS u FINAL
WHERE NOT u.is_deleted
  AND (u.account_id IN (SELECT id FROM accounts FINAL WHERE is_deleted)
       OR u.website_id IN (SELECT id FROM websites FINAL WHERE is_deleted AND version > 1))
