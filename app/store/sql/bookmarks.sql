-- name: reset_collection
-- Forgets the bookmarks of a collection; what destinations have kept is void, for it bears another generation. The new
-- one is the clock's millisecond and 12 random bits: greater than all before it, and not given out again after a
-- restore. Workers of release 0.1.0 can save bookmarks of 31 bits only: while one lives, it is the clock's second, which
-- is greater than all that they have counted. Either is a number that a double holds, until 2039.
WITH forgotten AS (
  DELETE FROM syncline.bookmarks WHERE source = $1 AND collection = $2
), now AS MATERIALIZED (
  SELECT syncline.clock() AS at, EXISTS (
    SELECT FROM syncline.workers
    WHERE release = '0.1.0' AND state IN ('active', 'draining') AND lease_until > syncline.clock()
  ) AS counting_workers
)
INSERT INTO syncline.resets AS r (source, collection, generation, reset_at)
SELECT $1, $2, CASE WHEN counting_workers THEN floor(extract(epoch FROM at))
                    ELSE floor(extract(epoch FROM at) * 1000) * 4096 + floor(random() * 4096)::integer END, at
FROM now
ON CONFLICT (source, collection) DO UPDATE
SET generation = greatest(excluded.generation, r.generation + 1), reset_at = excluded.reset_at
RETURNING generation
