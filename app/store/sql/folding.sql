-- Folds many streams in one statement, for rebuilds. It repeats the rules of `app.domain.task.evolve` in SQL, for streams
-- that have ended and contain only events that this release writes. All other streams are left to `evolve`, and so are
-- the few with a `SchemaChanged`, whose data becomes rows.

-- name: plan_folds
-- Until the end of the transaction, joins and sorts of a batch run in memory.
SELECT set_config('enable_hashjoin', 'on', true), set_config('work_mem', '64MB', true)

-- name: end_of_batch
-- The last task of a batch of about $2 events that starts after task $1; no row if fewer events are left.
SELECT task FROM syncline.events WHERE task > $1 ORDER BY task OFFSET $2::bigint - 1 LIMIT 1

-- name: fold_streams
-- Folds the streams of tasks after $1 up to $2, and corrects what depends on a single stream:
-- If $3: the rows of `tasks`. Rows that differ are written, rows without events are deleted.
-- Streams with events of the types $5, or with an event schema version other than 1, are not folded.
--
-- Returns what needs another look: `left`, streams that were not folded; `recent`, tasks that ended in transaction $4 or
-- later; and, if $6, for each collection the tasks that may be its last one, its last success, its last failure or a
-- failure since then (`collection`), and for each of its destinations the tasks that may have saved its bookmark
-- (`bookmark`).
WITH lives AS MATERIALIZED (
  SELECT task, count(*) AS events, max(version) AS version,
         string_agg(CASE
           WHEN v <> 1 OR type = ANY ($5::text[]) THEN '?'
           WHEN type = 'TaskStarted' THEN 's'
           WHEN type = 'TaskScheduled' THEN 'q'
           WHEN type = 'TaskSucceeded' AND status = 'SUCCESS' THEN 'S'
           WHEN type = 'BookmarkSaved' THEN 'b'
           WHEN type IN ('ProgressReported', 'ConfigRenewed') THEN 'p'
           WHEN type IN ('AttemptFailed', 'AttemptRescued') THEN 'f'
           WHEN type = 'AttemptHandedBack' THEN 'h'
           WHEN type = 'CancelRequested' THEN 'c'
           WHEN type = 'RunAgainRequested' THEN 'a'
           WHEN type = 'TaskFailed' AND status = 'FAILED' THEN 'F'
           WHEN type = 'TaskCanceled' AND status = 'CANCELED' THEN 'C'
           ELSE '?' END, '' ORDER BY version) AS life,
         (array_agg(data) FILTER (WHERE version = 1))[1] AS request,
         max(at) FILTER (WHERE version = 1) AS created_at,
         max(at) FILTER (WHERE version = 2 AND type = 'TaskStarted') AS started_at,
         max(at) FILTER (WHERE type IN ('TaskSucceeded', 'TaskFailed', 'TaskCanceled')) AS finished_at,
         max(xid) FILTER (WHERE type IN ('TaskSucceeded', 'TaskFailed', 'TaskCanceled')) AS xid,
         max(version::bigint << 16 | attempt) FILTER (WHERE type = 'TaskStarted') & 65535 AS attempt,
         array_agg(data ->> 'error' ORDER BY version) FILTER (
           WHERE data ? 'error' AND type IN ('AttemptFailed', 'AttemptRescued', 'AttemptHandedBack', 'TaskFailed', 'TaskCanceled')
         ) AS errors,
         sum((data ->> 'rows')::bigint) FILTER (WHERE type = 'BookmarkSaved') AS rows,
         array_agg(data ->> 'destination') FILTER (WHERE type = 'BookmarkSaved') AS destinations,
         array_agg(xid) FILTER (WHERE type = 'BookmarkSaved') AS saved
  FROM syncline.events
  WHERE task > $1 AND task <= $2 AND status IS NOT NULL
  GROUP BY task
), ended AS MATERIALIZED (
  SELECT task, request ->> 'source' AS source, request ->> 'collection' AS collection, request ->> 'source_type' AS source_type,
         request ->> 'trigger' AS trigger, nullif(request ->> 'fire_time', '')::timestamptz AS fire_time,
         (request ->> 'priority')::bigint AS priority, (request ->> 'max_attempts')::smallint AS max_attempts,
         CASE right(life, 1) WHEN 'S' THEN 'SUCCESS' WHEN 'F' THEN 'FAILED' ELSE 'CANCELED' END AS status,
         coalesce(attempt, 0)::smallint AS attempt, (length(life) - length(translate(life, 'fF', '')))::smallint AS failures,
         coalesce(rows, 0)::bigint AS rows,
         CASE right(life, 1) WHEN 'S' THEN NULL ELSE errors[cardinality(errors)] END AS error,
         created_at, started_at, finished_at, version, request ->> 'backfill' AS backfill, xid, destinations, saved
  FROM lives
  -- The condition holds for nearly all rows. As a CASE the planner expects half of them; without it, it expects one row
  -- and plans nested loops.
  WHERE CASE WHEN version = events THEN life ~ '^qa?(s[abcp]*[fh]a?)*(s[abcp]*[SFC]|C)$' ELSE false END
), stray AS (
  DELETE FROM syncline.tasks t
  WHERE $3 AND t.task > $1 AND t.task <= $2 AND NOT EXISTS (SELECT FROM lives l WHERE l.task = t.task)
), listed AS (
  INSERT INTO syncline.tasks AS t
    (task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
     created_at, started_at, finished_at, version, backfill)
  SELECT e.task, e.source, e.collection, e.source_type, e.trigger, e.fire_time, e.priority, e.max_attempts, e.status, e.attempt,
         e.failures, e.rows, e.error, e.created_at, e.started_at, e.finished_at, e.version, e.backfill
  FROM ended e
  LEFT JOIN (SELECT * FROM syncline.tasks WHERE task > $1 AND task <= $2) AS t ON t.task = e.task
  WHERE $3 AND (
    t.task, t.source, t.collection, t.source_type, t.trigger, t.fire_time, t.priority, t.max_attempts, t.status, t.attempt,
    t.failures, t.rows, t.error, t.created_at, t.started_at, t.finished_at, t.version, t.backfill
  ) IS DISTINCT FROM (
    e.task, e.source, e.collection, e.source_type, e.trigger, e.fire_time, e.priority, e.max_attempts, e.status, e.attempt,
    e.failures, e.rows, e.error, e.created_at, e.started_at, e.finished_at, e.version, e.backfill
  )
  {instead_of_row}
), newest AS MATERIALIZED (
  SELECT source, collection, max(xid) AS last, max(xid) FILTER (WHERE status = 'SUCCESS') AS success,
         max(xid) FILTER (WHERE status = 'FAILED') AS failure
  FROM ended WHERE $6 GROUP BY source, collection
), saves AS MATERIALIZED (
  SELECT e.source, e.collection, s.destination, s.xid, e.task
  FROM ended e CROSS JOIN LATERAL unnest(e.destinations, e.saved) AS s (destination, xid)
  WHERE $6 AND e.saved IS NOT NULL
)
SELECT 'left' AS kind, l.task, NULL AS source, NULL AS collection, NULL AS name, NULL::xid8 AS xid
FROM lives l WHERE NOT EXISTS (SELECT FROM ended e WHERE e.task = l.task)
UNION ALL
SELECT 'recent', task, NULL, NULL, NULL, NULL FROM ended WHERE xid >= $4
UNION ALL
SELECT 'collection', e.task, e.source, e.collection, e.status, e.xid
FROM ended e JOIN newest n ON n.source = e.source AND n.collection = e.collection
WHERE e.xid IN (n.last, n.success, n.failure) OR (e.status = 'FAILED' AND (n.success IS NULL OR e.xid > n.success))
UNION ALL
SELECT 'bookmark', s.task, s.source, s.collection, s.destination, s.xid
FROM saves s JOIN (SELECT source, collection, destination, max(xid) AS xid FROM saves GROUP BY source, collection, destination) AS n
  ON n.source = s.source AND n.collection = s.collection AND n.destination = s.destination AND n.xid = s.xid
