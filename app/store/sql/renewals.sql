-- name: renewed_configs
-- What was renewed by the sources and destinations ($1, $2).
SELECT r.role, r.name, r.key_id, r.digest, r.sealed
FROM unnest($1::text[], $2::text[]) AS w (role, name)
JOIN syncline.renewed_configs r ON r.role = w.role AND r.name = w.name

-- name: keep_renewed_config
-- Keeps what source or destination ($1, $2) has renewed $6 seconds ago outside of an attempt, as in queue.sql.
INSERT INTO syncline.renewed_configs AS r (role, name, key_id, digest, sealed, renewed_at)
SELECT $1::text, $2::text, $3::bytea, $4::bytea, $5::bytea, syncline.clock() - $6::float8 * interval '1 s'
ON CONFLICT (role, name) DO UPDATE
SET key_id = excluded.key_id, digest = excluded.digest, sealed = excluded.sealed, renewed_at = excluded.renewed_at
WHERE excluded.renewed_at >= r.renewed_at OR r.renewed_at > syncline.clock()
