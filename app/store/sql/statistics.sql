-- How many rows tasks have written, by hour and by day.

-- name: hours
-- The rows of the tasks that ended from $1 until before $2, and how many of them failed, by UTC hour of their end. Of sources $3,
-- or of all if that is NULL, whose id begins with $4. Tasks with nothing to count are left out, as in the index.
SELECT date_trunc('hour', t.finished_at, 'UTC') AS start, sum(t.rows)::bigint AS rows,
       count(*) FILTER (WHERE t.status = 'FAILED') AS failed
FROM syncline.tasks t
WHERE t.finished_at >= $1 AND t.finished_at < $2 AND (t.rows > 0 OR t.status = 'FAILED')
  AND ($3::text[] IS NULL OR t.source = ANY ($3)) AND starts_with(t.source, $4)
GROUP BY 1 ORDER BY 1

-- name: days
-- The same by UTC day, from day $1 until before day $2, of the daily statistics: the days of each collection are found by themselves.
SELECT s.day AS start, sum(s.rows)::bigint AS rows, sum(s.failed)::bigint AS failed
FROM syncline.checkpoints p
CROSS JOIN syncline.collections c
CROSS JOIN LATERAL (
  SELECT d.day, d.rows, d.failed FROM syncline.daily_collection_stats d
  WHERE d.generation = p.generation AND d.source = c.source AND d.collection = c.collection AND d.day >= $1 AND d.day < $2
  OFFSET 0
) AS s
WHERE p.projection = 'daily_collection_stats' AND p.state = 'live'
  AND ($3::text[] IS NULL OR c.source = ANY ($3)) AND starts_with(c.source, $4)
GROUP BY s.day ORDER BY s.day
