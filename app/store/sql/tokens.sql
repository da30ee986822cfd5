-- name: valid_tokens
-- All valid tokens. There are few, so one query can answer for all of them.
SELECT id, name, scope, hash, coalesce(last_used_at < syncline.clock() - interval '1 hour', true) AS use_is_news
FROM syncline.api_tokens
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > syncline.clock())

-- name: note_use
-- Records that token $1 was used, unless another session has locked it.
UPDATE syncline.api_tokens SET last_used_at = syncline.clock()
WHERE id = (SELECT id FROM syncline.api_tokens WHERE id = $1 FOR UPDATE SKIP LOCKED)

-- name: create_token
-- Adds a token: id $1, name $2, scope $3, hash $4; valid for $5, or forever if that is null.
INSERT INTO syncline.api_tokens (id, name, scope, hash, created_at, expires_at)
SELECT $1, $2, $3, $4, at, at + $5::interval FROM syncline.clock() AS at
RETURNING expires_at

-- name: all_tokens
-- All tokens, oldest first, with their state.
SELECT id, name, scope, created_at, expires_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= syncline.clock() THEN 'expired' ELSE 'valid' END AS state
FROM syncline.api_tokens ORDER BY created_at, id

-- name: revoke_token
-- Revokes token $1, if it is not revoked yet; no row if there is no such token.
UPDATE syncline.api_tokens SET revoked_at = coalesce(revoked_at, syncline.clock()) WHERE id = $1 RETURNING id
