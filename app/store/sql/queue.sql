-- A collection's row is the head of the stream of its last task: its lock, its place in the queue, and its status. A statement
-- that moves a task locks the head, moves it, appends the event, and inserts a task that has ended into `tasks`. Such a
-- statement is a transaction of its own, but a task that another one follows ends in one transaction with `schedule_tasks`.
-- `{fence}`, `{ended}` and `{claimed}` are in `parts.sql`.
--
-- `c.xid <= syncline.position()`: a statement that waited for the row lock may have a lower transaction id than the
-- writer it waited for. If it appended now, readers that go by positions would see the events in the wrong order. So the
-- statement leaves the row alone and is sent again.
--
-- `greatest(at, c.changed_at)`: `at` may have been taken before the statement waited for the row, and the clock may have been
-- set back. No event of a task is earlier than the one before it.
--
-- Writes are fenced by the claim number, not by the attempt number. A database that was promoted from a standby, or that
-- lost its last commits in a crash, may have lost a claim while its worker lives on, and hand out the same attempt again.
--
-- `(x IN (SELECT …)) IS TRUE` becomes a hashed subplan. A join would compare every pair of rows, because hash joins are
-- disabled for these statements. `LATERAL (… LIMIT 1)` looks up each row, also by a plan that was made while the table was
-- empty; a join might read the whole table for each of them.

-- name: schedule_tasks
-- Begins tasks unless their collection has an active one; returns the new tasks. Each collection is named once. If channel
-- $10 is given, it is notified once, and only if there is a new task: an uncorrelated subquery is evaluated once for all
-- rows, and not at all without rows.
-- $11 has what the events say about their causes, by source and collection; null if nobody caused any. `#>` copies nothing but
-- that, while `->` would copy all of a source for each of its collections, and a join would compare every pair of rows.
-- Collections with an active task are left out first: the conflict would lock their rows. Destinations fence with the ids
-- of a collection's tasks, so ids increase even if the clock was set back.
WITH named AS MATERIALIZED (
  SELECT w.*, syncline.clock() AS at, c.task AS last_task, c.status IN ('SCHEDULED', 'RUNNING') AS active
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::smallint[], $8::text[],
              $9::text[])
    AS w (source, collection, source_type, trigger, class, fire_time, max_attempts, backfill, pool)
  LEFT JOIN LATERAL (
    SELECT task, status FROM syncline.collections h WHERE h.source = w.source AND h.collection = w.collection LIMIT 1
  ) AS c ON true
), wanted AS MATERIALIZED (
  SELECT *, syncline.uuid7(at, last_task) AS task, class * 1000000000000 - floor(extract(epoch FROM at))::bigint AS priority
  FROM named WHERE active IS NOT TRUE
), moved AS (
  INSERT INTO syncline.collections AS c
    (source, collection, task, status, source_type, trigger, fire_time, priority, max_attempts, backfill, run_at, version, attempt,
     failures, rows, created_at, cancel_requested, claim, changed_at, xid, consecutive_failures, pool)
  SELECT source, collection, task, 'SCHEDULED', source_type, trigger, fire_time, priority, max_attempts, backfill, at, 1, 0,
         0, 0, at, false, 0, at, syncline.position(), 0, pool
  FROM wanted
  ON CONFLICT (source, collection) DO UPDATE
  SET task = excluded.task, status = excluded.status, source_type = excluded.source_type, trigger = excluded.trigger,
      fire_time = excluded.fire_time, priority = excluded.priority, max_attempts = excluded.max_attempts,
      backfill = excluded.backfill, run_at = excluded.run_at, version = excluded.version, attempt = excluded.attempt,
      failures = excluded.failures, rows = excluded.rows, error = NULL, created_at = excluded.created_at, started_at = NULL,
      worker = NULL, cancel_requested = false, claim = excluded.claim, changed_at = excluded.changed_at, xid = excluded.xid,
      pool = excluded.pool, line = NULL, again = NULL
  WHERE c.status NOT IN ('SCHEDULED', 'RUNNING') AND c.task < excluded.task AND c.xid <= excluded.xid
  RETURNING *
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
  SELECT task, 1, 'TaskScheduled', created_at, 'SCHEDULED', 0,
         jsonb_strip_nulls(jsonb_build_object(
           'source', source, 'collection', collection, 'source_type', source_type, 'trigger', trigger, 'fire_time', fire_time,
           'priority', priority, 'max_attempts', max_attempts, 'backfill', backfill, 'pool', nullif(pool, 'default')))
         || coalesce($11::jsonb #> ARRAY[source, collection], '{}')
  FROM moved
)
SELECT source, collection, task, (SELECT pg_notify($10::text, '') WHERE $10::text IS NOT NULL) FROM moved

-- name: active_tasks
-- The active tasks of the given collections, and whether their cancellation was requested.
SELECT w.source, w.collection, c.task, c.cancel_requested
FROM unnest($1::text[], $2::text[]) AS w (source, collection)
CROSS JOIN LATERAL (
  SELECT task, status, cancel_requested FROM syncline.collections h
  WHERE h.source = w.source AND h.collection = w.collection LIMIT 1
) AS c
WHERE c.status IN ('SCHEDULED', 'RUNNING')

-- name: request_again
-- Requests task $3 of a collection ($1, $2) for when the active one has ended, unless one is requested already. An active
-- task that has not begun is enough, unless it is a backfill: it will read what is there now. Returns the active task; no row
-- if there is none, or if its row changed meanwhile.
WITH active AS MATERIALIZED (
  SELECT task, again IS NULL AND (attempt > 0 OR backfill IS NOT NULL) AS needs_request FROM syncline.collections
  WHERE source = $1 AND collection = $2 AND status IN ('SCHEDULED', 'RUNNING')
), moved AS (
  UPDATE syncline.collections c
  SET again = $3::jsonb, version = c.version + 1, changed_at = greatest(syncline.clock(), c.changed_at), xid = syncline.position()
  FROM active a
  WHERE c.source = $1 AND c.collection = $2 AND c.task = a.task AND a.needs_request
    AND c.status IN ('SCHEDULED', 'RUNNING') AND c.again IS NULL AND c.xid <= syncline.position()
  RETURNING c.*
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
  SELECT task, version, 'RunAgainRequested', changed_at, status, attempt, again FROM moved
)
SELECT task FROM active WHERE NOT needs_request UNION ALL SELECT task FROM moved

-- name: claim_tasks
-- Assigns up to $2 due tasks of pools $6 to worker $1, highest priority first, if its lease is valid. Rows that other workers
-- have locked are skipped, and so are paused collections and those ($3, $4) that this worker leaves to others until $5. The
-- events say $7.
-- If nothing is due in these pools, nothing is locked and no transaction id is used.
-- The index has the order of priorities only within a pool. So the first $2 of each pool are locked, and the first $2 of
-- these are claimed; until the statement ends, other workers skip the rest too.
-- The claim number is milliseconds since 1970, followed by 20 random bits. So it is unique even if the database has lost
-- a claim, and greater than the task's earlier ones even if the clock was set back.
WITH left_out AS MATERIALIZED (
  SELECT l.source, l.collection FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS l (source, collection, until)
  WHERE l.until > (SELECT syncline.clock())
  UNION ALL
  SELECT source, collection FROM syncline.pauses WHERE ends_at > (SELECT syncline.clock())
), fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state = 'active' AND lease_until > syncline.clock() AND EXISTS (
    SELECT FROM syncline.collections
    WHERE pool = ANY ($6::text[]) AND status = 'SCHEDULED' AND run_at <= (SELECT syncline.clock())
      AND NOT ({is_left_out})
  )
  FOR KEY SHARE
), due AS MATERIALIZED (
  SELECT first.source, first.collection
  FROM unnest($6::text[]) AS served (pool) CROSS JOIN LATERAL (
    SELECT source, collection, priority, task FROM syncline.collections c
    WHERE c.pool = served.pool AND status = 'SCHEDULED' AND run_at <= (SELECT at FROM fence) AND EXISTS (SELECT FROM fence)
      AND NOT ({is_left_out})
    ORDER BY priority DESC, task
    LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
  ) AS first
  ORDER BY first.priority DESC, first.task
  LIMIT $2
), said AS (
  SELECT $7::jsonb AS data
), {claimed}

-- name: waiting_pools
-- The pools that have queued tasks. Each step looks up the next one in the index, however many tasks a pool has.
WITH RECURSIVE waiting AS (
  (SELECT pool FROM syncline.collections WHERE status = 'SCHEDULED' ORDER BY pool LIMIT 1)
  UNION ALL
  SELECT (SELECT c.pool FROM syncline.collections c WHERE c.status = 'SCHEDULED' AND c.pool > w.pool ORDER BY c.pool LIMIT 1)
  FROM waiting w WHERE w.pool IS NOT NULL
)
SELECT pool FROM waiting WHERE pool IS NOT NULL

-- name: end_attempts
-- Ends attempts of worker $1 ($2–$12) if its lease is valid and they still belong to it, together with their last log
-- lines ($13–$18; $13 is the ordinal of the line's attempt), so that the log of an ended task is always complete. Returns
-- the ordinals of the attempts that were not ended. An attempt whose cancellation was requested is not queued again; it
-- is left as it is. So is one whose task would end while another is to follow, unless $19 says that the caller's transaction
-- schedules that one.
WITH {fence}, outcome AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[], $5::smallint[], $6::bigint[], $7::text[], $8::text[], $9::text[],
                       $10::interval[], $11::text[], $12::integer[]) WITH ORDINALITY
    AS o (source, collection, task, attempt, claim, type, status, error, delay, details, line, ordinal)
), moved AS (
  UPDATE syncline.collections c
  SET status = o.status, version = c.version + 1, worker = NULL,
      run_at = CASE o.status WHEN 'SCHEDULED' THEN f.at + o.delay ELSE c.run_at END,
      failures = c.failures + (o.type IN ('AttemptFailed', 'TaskFailed'))::integer,
      error = CASE o.status WHEN 'SUCCESS' THEN NULL ELSE coalesce(o.error, c.error) END,
      last_success_at = CASE o.status WHEN 'SUCCESS' THEN greatest(f.at, c.changed_at) ELSE c.last_success_at END,
      last_failure_at = CASE o.status WHEN 'FAILED' THEN greatest(f.at, c.changed_at) ELSE c.last_failure_at END,
      consecutive_failures = CASE o.status WHEN 'SUCCESS' THEN 0 WHEN 'FAILED' THEN c.consecutive_failures + 1
                                           ELSE c.consecutive_failures END,
      changed_at = greatest(f.at, c.changed_at), xid = syncline.position(), line = o.line
  FROM outcome o, fence f
  WHERE c.source = o.source AND c.collection = o.collection AND c.task = o.task AND c.claim = o.claim AND c.worker = $1
    AND NOT (o.status = 'SCHEDULED' AND c.cancel_requested) AND (c.again IS NULL OR o.status = 'SCHEDULED' OR $19::boolean)
    AND c.xid <= syncline.position()
  RETURNING c.*, o.ordinal, o.type, o.details, o.error AS said
), {ended}, appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data, line)
  SELECT task, version, type, changed_at, status, attempt, $1,
         CASE WHEN said IS NULL AND status <> 'SCHEDULED' THEN details::jsonb
              ELSE details::jsonb || jsonb_strip_nulls(jsonb_build_object(
                'error', said, 'run_at', CASE status WHEN 'SCHEDULED' THEN run_at END)) END,
         line
  FROM moved
), logged AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message, system)
  SELECT ($4::uuid[])[ordinal], ($5::smallint[])[ordinal], line, (SELECT at FROM fence) - age * interval '1 s', level, message, system
  FROM unnest($13::integer[], $14::integer[], $15::float8[], $16::text[], $17::text[], $18::text[])
    AS l (ordinal, line, age, level, message, system)
  WHERE (ordinal IN (SELECT ordinal FROM moved)) IS TRUE
)
SELECT ordinal::integer FROM outcome WHERE (ordinal IN (SELECT ordinal FROM moved)) IS NOT TRUE

-- name: held_attempts
-- The attempts that worker $1 may write for, how many log lines they have, and the request for the task that is to follow.
SELECT c.source, c.collection, c.task, c.attempt, c.claim, c.failures, c.max_attempts, c.cancel_requested, c.changed_at AS at,
       coalesce((SELECT generation FROM syncline.resets r WHERE r.source = c.source AND r.collection = c.collection), 0)
         AS generation, c.backfill,
       coalesce((SELECT max(line) FROM syncline.log_events l WHERE l.task = c.task AND l.attempt = c.attempt), 0) AS lines,
       c.again
FROM syncline.collections c
WHERE c.worker = $1 AND c.status = 'RUNNING' AND EXISTS (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock()
)

-- name: running_claims
-- The running claims of worker $1, and whether their cancellation was requested; with $2 only those.
SELECT task, claim, cancel_requested FROM syncline.collections
WHERE worker = $1 AND status = 'RUNNING' AND (cancel_requested OR NOT $2::boolean)

-- name: uncanceled_task
-- Why a task that has not ended was not canceled: the request for the task that is to follow it, and whether its position is
-- higher than any that this server has given out, as after a restore into a new server. No statement can change such a
-- row. Both are null if the row of its collection is missing.
SELECT e.data ->> 'source' AS source, e.data ->> 'collection' AS collection, c.again,
       c.xid >= syncline.position(pg_snapshot_xmax(pg_current_snapshot())) AS is_ahead
FROM syncline.events e
LEFT JOIN syncline.collections c ON c.source = e.data ->> 'source' AND c.collection = e.data ->> 'collection' AND c.task = e.task
WHERE e.task = $1 AND e.version = 1 AND NOT EXISTS (SELECT FROM syncline.tasks WHERE task = $1)

-- name: waiting_since
-- Since when every attempt of task $1 was handed back for the reason of field $2; null if the last one was not. The latest
-- event that queued the task decides: a start, failure or hand-back for another reason starts the time again.
SELECT (data ->> $2)::timestamptz FROM syncline.events
WHERE task = $1 AND status = 'SCHEDULED' AND type <> 'RunAgainRequested' ORDER BY version DESC LIMIT 1

-- name: cancel_task
-- Cancels a queued task, or requests the cancellation of a running one. Returns the new status, or no row if the task is
-- not active or its row changed meanwhile. A queued task that another is to follow is canceled only if $2 says that the
-- caller's transaction schedules that one. $3 is what the event says about its cause.
-- A cancellation has the line after the last one of the last attempt. The locked row knows that, for whoever ended the
-- attempt while this waited; only what releases before have ended must be looked up.
WITH head AS MATERIALIZED (
  SELECT c.source, c.collection, c.status, c.cancel_requested, c.line, syncline.clock() AS at
  FROM syncline.events e JOIN syncline.collections c ON c.source = e.data ->> 'source' AND c.collection = e.data ->> 'collection'
  WHERE e.task = $1 AND e.version = 1 AND c.task = $1 AND c.status IN ('SCHEDULED', 'RUNNING') AND c.xid <= syncline.position()
    AND (c.again IS NULL OR c.status = 'RUNNING' OR $2::boolean)
  FOR UPDATE OF c
), moved AS (
  UPDATE syncline.collections c
  SET status = CASE h.status WHEN 'SCHEDULED' THEN 'CANCELED' ELSE c.status END,
      cancel_requested = h.status = 'RUNNING', version = c.version + 1, changed_at = greatest(h.at, c.changed_at),
      xid = syncline.position(), line = CASE h.status WHEN 'SCHEDULED' THEN 1 + coalesce(h.line, (
        SELECT max(l.line) FROM syncline.log_events l WHERE l.task = $1 AND l.attempt = c.attempt
      ), 0) ELSE c.line END
  FROM head h
  WHERE c.source = h.source AND c.collection = h.collection AND NOT h.cancel_requested
  RETURNING c.*
), {ended}, appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data, line)
  SELECT task, version, CASE status WHEN 'CANCELED' THEN 'TaskCanceled' ELSE 'CancelRequested' END, changed_at, status, attempt, worker,
         $3::jsonb, CASE status WHEN 'CANCELED' THEN line END
  FROM moved
)
SELECT CASE h.status WHEN 'SCHEDULED' THEN 'CANCELED' ELSE h.status END AS status FROM head h

-- name: rescue_attempts
-- Ends the attempts of workers that are gone. The task is canceled if that was requested, fails if it was the last
-- attempt, and is queued again otherwise. Runs in one transaction after `mark_lost_workers`: only then can the lost
-- worker write no more log lines. The same transaction schedules the tasks that are to follow those that have ended (`again`).
WITH gone AS MATERIALIZED (
  SELECT c.source, c.collection, syncline.clock() AS at,
         CASE WHEN c.cancel_requested THEN 'CANCELED' WHEN c.failures + 1 >= c.max_attempts THEN 'FAILED' ELSE 'SCHEDULED' END AS status,
         'worker ' || coalesce(w.host || ' (pid ' || w.pid || ')', c.worker::text) || ' is gone: its lease ran out' AS error
  FROM syncline.collections c LEFT JOIN syncline.workers w USING (worker)
  WHERE c.status = 'RUNNING' AND coalesce(w.state, 'lost') IN ('lost', 'stopped') AND c.xid <= syncline.position()
  LIMIT 1000
  FOR UPDATE OF c SKIP LOCKED
), moved AS (
  UPDATE syncline.collections c
  SET status = g.status, version = c.version + 1, worker = NULL,
      run_at = CASE g.status WHEN 'SCHEDULED' THEN g.at ELSE c.run_at END,
      failures = c.failures + (g.status <> 'CANCELED')::integer, error = g.error,
      last_failure_at = CASE g.status WHEN 'FAILED' THEN greatest(g.at, c.changed_at) ELSE c.last_failure_at END,
      consecutive_failures = c.consecutive_failures + (g.status = 'FAILED')::integer,
      changed_at = greatest(g.at, c.changed_at), xid = syncline.position(),
      line = 1 + coalesce((SELECT max(l.line) FROM syncline.log_events l WHERE l.task = c.task AND l.attempt = c.attempt), 0)
  FROM gone g WHERE c.source = g.source AND c.collection = g.collection
  RETURNING c.*
), {ended}, appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, data, line)
  SELECT task, version,
         CASE status WHEN 'SCHEDULED' THEN 'AttemptRescued' WHEN 'FAILED' THEN 'TaskFailed' ELSE 'TaskCanceled' END,
         changed_at, status, attempt,
         jsonb_strip_nulls(jsonb_build_object('error', error, 'run_at', CASE status WHEN 'SCHEDULED' THEN run_at END)), line
  FROM moved
)
SELECT source, collection, task, attempt, status, CASE WHEN status <> 'SCHEDULED' THEN again END AS again FROM moved
