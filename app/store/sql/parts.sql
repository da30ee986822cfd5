-- Parts of statements: `{name}` in a statement of another file stands for one of these.

-- name: fence
-- The lease of worker $1, locked so that it cannot be taken away before the statement has committed; no row if it has expired.
fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
)

-- name: ended
-- Inserts the tasks that have ended with the step from their heads.
ended AS (
  INSERT INTO syncline.tasks
    (task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
     created_at, started_at, finished_at, version, backfill)
  SELECT task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
         created_at, started_at, changed_at, version, backfill
  FROM moved WHERE status NOT IN ('SCHEDULED', 'RUNNING')
)
