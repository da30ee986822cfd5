-- name: renewed_configs
-- What was renewed by the sources and destinations ($1, $2), newest first: one row for each configuration in a catalogue.
SELECT r.role, r.name, r.key_id, r.digest, r.sealed
FROM unnest($1::text[], $2::text[]) AS w (role, name)
JOIN syncline.renewed_configs r ON r.role = w.role AND r.name = w.name
ORDER BY r.renewed_at DESC

-- name: keep_renewed_config
-- Keeps what source or destination ($1, $2) has renewed $6 seconds ago outside of an attempt, as in queue.sql.
WITH kept AS (
  INSERT INTO syncline.renewed_configs AS r (role, name, digest, key_id, sealed, renewed_at)
  SELECT $1::text, $2::text, $4::bytea, $3::bytea, $5::bytea, syncline.clock() - $6::float8 * interval '1 s'
  ON CONFLICT (role, name, digest) DO UPDATE
  SET key_id = excluded.key_id, sealed = excluded.sealed, renewed_at = excluded.renewed_at
  WHERE excluded.renewed_at >= r.renewed_at OR r.renewed_at > syncline.clock()
)
DELETE FROM syncline.renewed_configs
WHERE role = $1 AND name = $2 AND digest <> $4 AND renewed_at < syncline.clock() - interval '30 days'
