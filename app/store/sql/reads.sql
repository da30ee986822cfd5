-- name: read_only
-- Whether writes are refused; always true on a standby.
SELECT current_setting('transaction_read_only')::boolean

-- name: schema_version
-- The database's migration.
SELECT version_num FROM syncline.alembic_version

-- name: task_row
-- One task: it has ended, or it is the active one of its collection, which its first event names.
SELECT task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows,
       error, created_at, started_at, finished_at, backfill
FROM syncline.tasks WHERE task = $1
UNION ALL
SELECT c.task, c.source, c.collection, c.source_type, c.trigger, c.fire_time, c.priority, c.max_attempts, c.status, c.attempt,
       c.failures, c.rows, c.error, c.created_at, c.started_at, NULL, c.backfill
FROM syncline.events e JOIN syncline.collections c ON c.source = e.data ->> 'source' AND c.collection = e.data ->> 'collection'
WHERE e.task = $1 AND e.version = 1 AND c.task = $1 AND c.status IN ('SCHEDULED', 'RUNNING')

-- name: task_row_as_of
-- Task $1 as it was at the moment of time $2 and position $3, with the progress of its attempt.
SELECT task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows,
       error, created_at, started_at, finished_at, backfill, progress
FROM syncline.folded($1, $2, $3)

-- name: progress_of
-- The latest progress of the running attempts ($2) of tasks $1.
SELECT t.task, latest.data
FROM unnest($1::uuid[], $2::smallint[]) AS t (task, attempt)
CROSS JOIN LATERAL (
  SELECT e.data FROM syncline.events e
  WHERE e.task = t.task AND e.type = 'ProgressReported' AND e.attempt = t.attempt
  ORDER BY e.version DESC LIMIT 1
) AS latest

-- name: waits_of
-- Until when tasks $1 wait for their next attempt, and why: of those whose time has not come. What has ended the last attempt says
-- so.
SELECT t.task, latest.until, latest.reason
FROM unnest($1::uuid[]) AS t (task)
CROSS JOIN LATERAL (
  SELECT (e.data ->> 'run_at')::timestamptz AS until, coalesce(e.data ->> 'reason', e.data ->> 'error', '') AS reason
  FROM syncline.events e
  WHERE e.task = t.task AND e.status = 'SCHEDULED' AND e.type <> 'RunAgainRequested'
  ORDER BY e.version DESC LIMIT 1
) AS latest
WHERE latest.until > syncline.clock()

-- name: waits_for_destinations
-- Until when the tasks of sources $1 wait for a destination that cannot be reached, and why.
SELECT DISTINCT ON (source) source, until, reason
FROM (
  SELECT unnest(sources) AS source, probe_at AS until, error AS reason FROM syncline.outages WHERE probe_at > syncline.clock()
) AS waiting
WHERE source = ANY ($1::text[])
ORDER BY source, until DESC

-- name: log_page
-- A page of $6 lines of a task's log, in order.
SELECT attempt, line, at, level, message, system FROM (
  (
    SELECT attempt, line, at, level, message, system FROM syncline.log_events WHERE task = $1 AND {after_line}
    ORDER BY attempt, line LIMIT $6
  )
  UNION ALL {lines_of_events}
) AS log
ORDER BY attempt, line
LIMIT $6

-- name: log_tail
-- The last $6 lines of a task's log, last line first.
SELECT attempt, line, at, level, message, system FROM (
  (
    SELECT attempt, line, at, level, message, system FROM syncline.log_events WHERE task = $1 AND {after_line}
    ORDER BY attempt DESC, line DESC LIMIT $6
  )
  UNION ALL {lines_of_events}
) AS log
ORDER BY attempt DESC, line DESC
LIMIT $6

-- name: grown_logs
-- The logs of tasks $1 that have lines after (attempt $2, line $3), or whose tasks have ended; and whether they have.
SELECT w.task, w.attempt, w.line, w.ended
FROM (
  SELECT task, attempt, line, EXISTS (SELECT FROM syncline.tasks t WHERE t.task = w.task) AS ended
  FROM unnest($1::uuid[], $2::smallint[], $3::integer[]) AS w (task, attempt, line)
) AS w
WHERE w.ended
   OR EXISTS (SELECT FROM syncline.log_events l WHERE l.task = w.task AND (l.attempt, l.line) > (w.attempt, w.line))
   OR EXISTS (
     SELECT FROM syncline.events e WHERE e.task = w.task AND e.line IS NOT NULL AND (e.attempt, e.line) > (w.attempt, w.line)
   )

-- name: active_task
-- The task of source $1, collection $2 that waits or runs.
SELECT task::text FROM syncline.collections WHERE source = $1 AND collection = $2 AND status IN ('SCHEDULED', 'RUNNING')

-- name: collection_rows
-- All collections: the last task, its status and why it failed, the last success and failure, the next fire time, and how long
-- after it a task starts.
SELECT coalesce(c.source, s.source) AS source, coalesce(c.collection, s.collection) AS collection,
       c.task AS last_task, c.status AS last_status, c.last_success_at, c.last_failure_at, coalesce(c.consecutive_failures, 0) AS consecutive_failures,
       CASE WHEN c.status = 'FAILED' THEN c.error END AS last_error,
       s.next_fire_at - s.delay AS next_fire_at, s.delay
FROM syncline.collections c
FULL JOIN (SELECT * FROM syncline.schedules WHERE active) AS s ON s.source = c.source AND s.collection = c.collection

-- name: collections_as_of
-- All collections that had had a task, as they were at a moment ($1 to $5). Of most of them the last task has succeeded, and then
-- nothing else has to be found: their last failure, which may be long ago, is left out.
WITH newest AS MATERIALIZED (
  SELECT k.source, k.collection, n.task, n.finished_at,
         n.has_ended AND n.status = 'SUCCESS' AND (r.horizon IS NULL OR n.finished_at >= r.horizon OR n.task = k.task)
           AND NOT EXISTS (SELECT FROM syncline.pauses p WHERE p.source = k.source AND p.collection IN (k.collection, '')) AS is_fine
  FROM syncline.collections k
  CROSS JOIN (SELECT (SELECT sealed_before::timestamp AT TIME ZONE 'UTC' FROM syncline.retention) AS horizon) AS r
  LEFT JOIN LATERAL syncline.newest_as_of(k.source, k.collection, NULL, $1, $2, $3, $4, $5) AS n ON true
)
SELECT source, collection, task AS last_task, 'SUCCESS' AS last_status, finished_at AS last_success_at, NULL::timestamptz AS last_failure_at,
       0 AS consecutive_failures, NULL::timestamptz AS paused_since, NULL::timestamptz AS paused_until, NULL AS paused_by, NULL AS pause_note,
       NULL AS last_error
FROM newest WHERE is_fine
UNION ALL
SELECT a.source, a.collection, a.last_task, a.last_status, a.last_success_at, a.last_failure_at,
       a.consecutive_failures, a.paused_since, a.paused_until, a.paused_by, a.pause_note,
       CASE WHEN a.last_status = 'FAILED' THEN t.error END
FROM newest n
CROSS JOIN LATERAL (
  SELECT * FROM syncline.collections_as_of($1, $2, $3, $4, $5) AS a WHERE a.source = n.source AND a.collection = n.collection
) AS a
LEFT JOIN syncline.tasks t ON t.task = a.last_task AND a.last_status = 'FAILED'
WHERE n.is_fine IS NOT TRUE

-- name: current_tables
-- The current columns of every table that was loaded.
SELECT DISTINCT ON (source, collection, destination, table_name) source, collection, destination, table_name, columns
FROM syncline.table_schemas
ORDER BY source, collection, destination, table_name, revision DESC

-- name: tables_of
-- The columns of every table that collection ($1, $2) had loaded by $3, as they were then.
SELECT DISTINCT ON (destination, table_name) destination, table_name, columns, revision, changed_at
FROM syncline.table_schemas
WHERE source = $1 AND collection = $2 AND changed_at <= $3
ORDER BY destination, table_name, revision DESC

-- name: days_of
-- The statistics of collection ($1, $2) from day $3 to day $4, oldest first; of days with a task that has ended.
SELECT s.day, s.success, s.failed, s.canceled, s.rows
FROM syncline.checkpoints c JOIN syncline.daily_collection_stats s ON s.generation = c.generation
WHERE c.projection = 'daily_collection_stats' AND c.state = 'live' AND s.source = $1 AND s.collection = $2
  AND s.day BETWEEN $3 AND $4
ORDER BY s.day

-- name: source_is_known
-- Whether a collection of source $1 ever had a task or has a schedule.
SELECT EXISTS (SELECT FROM syncline.collections WHERE source = $1)
    OR EXISTS (SELECT FROM syncline.schedules WHERE source = $1 AND active)

-- name: projection_lags
-- For each asynchronous projection the age in seconds of the oldest event that it has not applied; 0 if there is none.
SELECT c.projection, coalesce(extract(epoch FROM syncline.clock() - (
  SELECT e.at FROM syncline.events e WHERE e.xid > c.xid ORDER BY e.xid LIMIT 1
)), 0)::float8 AS seconds
FROM syncline.checkpoints c WHERE c.state = 'live'

-- name: fire_time_waits
-- Whether the schedule of source $1, collection $2 is due and its fire time not decided yet.
SELECT EXISTS (
  SELECT FROM syncline.schedules WHERE source = $1 AND collection = $2 AND active AND next_fire_at <= syncline.clock()
)
