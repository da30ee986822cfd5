-- name: reset_collection
-- Forgets the bookmarks of a collection; what destinations have kept is void, for it bears an older generation.
WITH forgotten AS (
  DELETE FROM syncline.bookmarks WHERE source = $1 AND collection = $2
)
INSERT INTO syncline.resets AS r (source, collection, generation, reset_at) VALUES ($1, $2, 1, syncline.clock())
ON CONFLICT (source, collection) DO UPDATE SET generation = r.generation + 1, reset_at = excluded.reset_at
RETURNING generation
