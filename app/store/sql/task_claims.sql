-- Claims of one task that the worker names, such as one that was started for it. `claimed` is in `parts.sql`.

-- name: claim_task
-- Assigns task $2 to worker $1, whatever its pool, if it is due and not paused and the worker's lease is valid; no row
-- otherwise. The event says $3.
WITH fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state = 'active' AND lease_until > syncline.clock() FOR KEY SHARE
), due AS MATERIALIZED (
  SELECT s.source, s.collection
  FROM syncline.events e JOIN syncline.collections s ON s.source = e.data ->> 'source' AND s.collection = e.data ->> 'collection'
  WHERE e.task = $2 AND e.version = 1 AND s.task = $2 AND s.status = 'SCHEDULED' AND s.run_at <= (SELECT at FROM fence)
    AND NOT {is_paused}
  FOR NO KEY UPDATE OF s
), said AS (
  SELECT $3::jsonb AS data
), {claimed}

-- name: unclaimed_task
-- Why a worker does not get task $1: its status, whether it waits for its next attempt and until when, whether it is paused,
-- and the worker that has it. No row if there is no such task.
SELECT coalesce(s.status, t.status) AS status, s.run_at, s.run_at > syncline.clock() AS waits, {is_paused} AS is_paused, w.host, w.pid
FROM syncline.events e
LEFT JOIN syncline.collections s ON s.source = e.data ->> 'source' AND s.collection = e.data ->> 'collection' AND s.task = e.task
LEFT JOIN syncline.tasks t ON t.task = e.task
LEFT JOIN syncline.workers w ON w.worker = s.worker
WHERE e.task = $1 AND e.version = 1 AND e.type = 'TaskScheduled'
