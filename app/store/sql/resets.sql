-- name: reset_collection
-- Deletes the bookmarks of a collection. The destinations' own copies become void, because they have an older generation.
-- The new generation is the clock's milliseconds and 12 random bits: greater than all before it, and not used again after
-- a restore. Until 2039 it fits into a double without loss.
WITH forgotten AS (
  DELETE FROM syncline.bookmarks WHERE source = $1 AND collection = $2
), now AS MATERIALIZED (
  SELECT syncline.clock() AS at
)
INSERT INTO syncline.resets AS r (source, collection, generation, reset_at)
SELECT $1, $2, floor(extract(epoch FROM at) * 1000) * 4096 + floor(random() * 4096)::integer, at FROM now
ON CONFLICT (source, collection) DO UPDATE
SET generation = greatest(excluded.generation, r.generation + 1), reset_at = excluded.reset_at
RETURNING generation
