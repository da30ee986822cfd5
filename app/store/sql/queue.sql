-- The queue has one row for each active task, with the key (source, collection); this row is the head of the task's
-- stream. Every statement locks the row, increments its version, appends the event and updates the projections: one
-- statement, one transaction.
--
-- `q.xid <= syncline.position()`: a statement that waited for the row lock may have a lower transaction id than the
-- writer it waited for. If it appended now, readers that go by positions would see the events in the wrong order. So the
-- statement leaves the row alone and is sent again.
--
-- Writes are fenced by the claim number, not by the attempt number. A database that was promoted from a standby, or that
-- lost its last commits in a crash, may have lost a claim while its worker lives on, and hand out the same attempt again.
--
-- `(x IN (SELECT …)) IS TRUE` becomes a hashed subplan. A join would compare every pair of rows, because hash joins are
-- disabled for these statements.

-- name: schedule_tasks
-- Queues tasks unless their collection has an active one; returns the new tasks. If channel $9 is given, it is notified
-- once, and only if there is a new task: an uncorrelated subquery is evaluated once for all rows, and not at all without
-- rows.
-- Destinations fence with the ids of a collection's tasks, so ids increase even if the clock was set back.
WITH named AS MATERIALIZED (
  SELECT source, collection, source_type, trigger, class, fire_time, max_attempts, backfill, syncline.clock() AS at,
         (SELECT last_task FROM syncline.collection_status s WHERE s.source = w.source AND s.collection = w.collection) AS last_task
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::timestamptz[], $7::smallint[], $8::text[])
    AS w (source, collection, source_type, trigger, class, fire_time, max_attempts, backfill)
), wanted AS MATERIALIZED (
  SELECT *, syncline.uuid7(at, last_task) AS task, class * 1000000000000 - floor(extract(epoch FROM at))::bigint AS priority
  FROM named
), queued AS (
  INSERT INTO syncline.task_queue
    (source, collection, task, status, priority, run_at, version, attempt, failures, max_attempts, cancel_requested, changed_at, xid,
     backfill)
  SELECT source, collection, task, 'SCHEDULED', priority, at, 1, 0, 0, max_attempts, false, at, syncline.position(), backfill
  FROM wanted
  ON CONFLICT (source, collection) DO NOTHING
  RETURNING source, collection, task
), added AS (
  SELECT * FROM wanted WHERE (task IN (SELECT task FROM queued)) IS TRUE
), listed AS (
  INSERT INTO syncline.tasks
    (task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, created_at, version,
     backfill)
  SELECT task, source, collection, source_type, trigger, fire_time, priority, max_attempts, 'SCHEDULED', 0, 0, 0, at, 1, backfill
  FROM added
), reported AS (
  INSERT INTO syncline.collection_status AS s (source, collection, last_task, last_status, consecutive_failures)
  SELECT source, collection, task, 'SCHEDULED', 0 FROM added
  ON CONFLICT (source, collection) DO UPDATE SET last_task = excluded.last_task, last_status = excluded.last_status
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
  SELECT task, 1, 'TaskScheduled', at, 'SCHEDULED', 0,
         jsonb_build_object('source', source, 'collection', collection, 'source_type', source_type, 'trigger', trigger,
                            'fire_time', fire_time, 'priority', priority, 'max_attempts', max_attempts)
           || CASE WHEN backfill IS NULL THEN '{}' ELSE jsonb_build_object('backfill', backfill) END
  FROM added
)
SELECT source, collection, task, (SELECT pg_notify($9::text, '') WHERE $9::text IS NOT NULL) FROM queued

-- name: active_tasks
-- The active tasks of the given collections.
SELECT w.source, w.collection, q.task
FROM unnest($1::text[], $2::text[]) AS w (source, collection)
JOIN syncline.task_queue q ON q.source = w.source AND q.collection = w.collection

-- name: claim_tasks
-- Assigns up to $2 due tasks to worker $1, highest priority first, if its lease is valid. Rows that other workers have
-- locked are skipped, and so are the collections ($3, $4) that this worker leaves to others until $5.
-- If nothing is due, nothing is locked and no transaction id is used.
-- The claim number is milliseconds since 1970, followed by 20 random bits. So it is unique even if the database has lost
-- a claim, and greater than the task's earlier ones even if the clock was set back.
WITH left_out AS MATERIALIZED (
  SELECT l.source, l.collection FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS l (source, collection, until)
  WHERE l.until > (SELECT syncline.clock())
), fence AS MATERIALIZED (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state = 'active' AND lease_until > syncline.clock() AND EXISTS (
    SELECT FROM syncline.task_queue
    WHERE status = 'SCHEDULED' AND run_at <= (SELECT syncline.clock())
      AND ((source, collection) IN (SELECT source, collection FROM left_out)) IS NOT TRUE
  )
  FOR KEY SHARE
), due AS MATERIALIZED (
  SELECT source, collection FROM syncline.task_queue
  WHERE status = 'SCHEDULED' AND run_at <= (SELECT syncline.clock()) AND EXISTS (SELECT FROM fence)
    AND ((source, collection) IN (SELECT source, collection FROM left_out)) IS NOT TRUE
  ORDER BY priority DESC, task
  LIMIT $2
  FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
  UPDATE syncline.task_queue q
  SET status = 'RUNNING', version = q.version + 1, attempt = q.attempt + 1, worker = $1,
      claim = greatest(q.claim + 1, (extract(epoch FROM syncline.clock()) * 1000)::bigint << 20 | floor(random() * 1048576)::bigint),
      changed_at = syncline.clock(), xid = syncline.position()
  FROM due
  WHERE q.source = due.source AND q.collection = due.collection AND q.xid <= syncline.position()
  RETURNING q.source, q.collection, q.task, q.version, q.attempt, q.claim, q.failures, q.max_attempts, q.cancel_requested,
            q.changed_at AS at, q.backfill
), listed AS (
  UPDATE syncline.tasks t
  SET status = 'RUNNING', attempt = c.attempt, started_at = coalesce(t.started_at, c.at), version = c.version
  FROM claimed c WHERE t.task = c.task
  RETURNING t.task, t.started_at
), reported AS (
  UPDATE syncline.collection_status s SET last_status = 'RUNNING'
  FROM claimed c WHERE s.source = c.source AND s.collection = c.collection
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'TaskStarted', at, 'RUNNING', attempt, $1, jsonb_build_object('claim', claim) FROM claimed
)
SELECT c.source, c.collection, c.task, c.attempt, c.claim, c.failures, c.max_attempts, c.cancel_requested, c.at,
       coalesce((SELECT generation FROM syncline.resets r WHERE r.source = c.source AND r.collection = c.collection), 0)
         AS generation, c.backfill
FROM claimed c

-- name: held_attempts
-- The attempts that worker $1 may write for, and how many log lines they have.
SELECT q.source, q.collection, q.task, q.attempt, q.claim, q.failures, q.max_attempts, q.cancel_requested, q.changed_at AS at,
       coalesce((SELECT generation FROM syncline.resets r WHERE r.source = q.source AND r.collection = q.collection), 0)
         AS generation, q.backfill,
       coalesce((SELECT max(line) FROM syncline.log_events l WHERE l.task = q.task AND l.attempt = q.attempt), 0) AS lines
FROM syncline.task_queue q
WHERE q.worker = $1 AND q.status = 'RUNNING' AND EXISTS (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock()
)

-- name: running_claims
-- The running claims of worker $1, and whether their cancellation was requested; with $2 only those.
SELECT task, claim, cancel_requested FROM syncline.task_queue
WHERE worker = $1 AND status = 'RUNNING' AND (cancel_requested OR NOT $2::boolean)

-- name: active_task
-- A task that has not ended, and whether the position in its queue row is higher than any that this server has given out,
-- as after a restore into a new server. No statement can change such a row. Null if the row is missing.
SELECT q.xid >= syncline.position(pg_snapshot_xmax(pg_current_snapshot())) AS is_ahead
FROM syncline.tasks t
LEFT JOIN syncline.task_queue q ON q.source = t.source AND q.collection = t.collection AND q.task = t.task
WHERE t.task = $1 AND t.status IN ('SCHEDULED', 'RUNNING')

-- name: unknown_since
-- Since when every worker that claimed task $1 has not known its collection; null if the last one did. The latest event
-- that queued the task decides: a start, failure or hand-back for another reason starts the time again.
SELECT (data ->> 'unknown_since')::timestamptz FROM syncline.events
WHERE task = $1 AND status = 'SCHEDULED' ORDER BY version DESC LIMIT 1

-- name: end_attempts
-- Ends attempts of worker $1 ($2–$11) if its lease is valid and they still belong to it, together with their last log
-- lines ($12–$16; $12 is the ordinal of the line's attempt), so that the log of an ended task is always complete. Returns
-- the ordinals of the attempts that were not ended. An attempt whose cancellation was requested is not queued again; it
-- is left as it is.
WITH fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), outcome AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[], $5::smallint[], $6::bigint[], $7::text[], $8::text[], $9::text[],
                       $10::interval[], $11::text[]) WITH ORDINALITY
    AS o (source, collection, task, attempt, claim, type, status, error, delay, details, ordinal)
), requeued AS (
  UPDATE syncline.task_queue q
  SET status = 'SCHEDULED', version = q.version + 1, worker = NULL, run_at = syncline.clock() + o.delay,
      failures = q.failures + CASE WHEN o.type = 'AttemptHandedBack' THEN 0 ELSE 1 END,
      changed_at = syncline.clock(), xid = syncline.position()
  FROM outcome o
  WHERE q.source = o.source AND q.collection = o.collection AND q.task = o.task AND q.claim = o.claim AND q.worker = $1
    AND o.status = 'SCHEDULED' AND NOT q.cancel_requested AND q.xid <= syncline.position() AND EXISTS (SELECT FROM fence)
  RETURNING o.*, q.version, q.failures, q.changed_at AS at, q.run_at
), ended AS (
  DELETE FROM syncline.task_queue q USING outcome o
  WHERE q.source = o.source AND q.collection = o.collection AND q.task = o.task AND q.claim = o.claim AND q.worker = $1
    AND o.status <> 'SCHEDULED' AND q.xid <= syncline.position() AND EXISTS (SELECT FROM fence)
  RETURNING o.*, q.version + 1 AS version, q.failures + CASE WHEN o.status = 'FAILED' THEN 1 ELSE 0 END AS failures,
            syncline.clock() AS at, NULL::timestamptz AS run_at
), moved AS (
  SELECT * FROM requeued UNION ALL SELECT * FROM ended
), listed AS (
  UPDATE syncline.tasks t
  SET status = m.status, failures = m.failures, version = m.version,
      error = CASE WHEN m.status = 'SUCCESS' THEN NULL ELSE coalesce(m.error, t.error) END,
      finished_at = CASE WHEN m.status = 'SCHEDULED' THEN NULL ELSE m.at END
  FROM moved m WHERE t.task = m.task
), reported AS (
  UPDATE syncline.collection_status s
  SET last_status = m.status,
      last_success_at = CASE WHEN m.status = 'SUCCESS' THEN m.at ELSE s.last_success_at END,
      last_failure_at = CASE WHEN m.status = 'FAILED' THEN m.at ELSE s.last_failure_at END,
      consecutive_failures = CASE m.status WHEN 'SUCCESS' THEN 0 WHEN 'FAILED' THEN s.consecutive_failures + 1
                                           ELSE s.consecutive_failures END
  FROM moved m WHERE s.source = m.source AND s.collection = m.collection
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, type, at, status, attempt, $1,
         details::jsonb || jsonb_strip_nulls(jsonb_build_object('error', error, 'run_at', run_at))
  FROM moved
), logged AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT ($4::uuid[])[ordinal], ($5::smallint[])[ordinal], line, (SELECT at FROM fence) - age * interval '1 s', level, message
  FROM unnest($12::integer[], $13::integer[], $14::float8[], $15::text[], $16::text[]) AS l (ordinal, line, age, level, message)
  WHERE (ordinal IN (SELECT ordinal FROM moved)) IS TRUE
)
SELECT ordinal::integer FROM outcome WHERE (ordinal IN (SELECT ordinal FROM moved)) IS NOT TRUE

-- name: bookmark_head
-- The version of a stream that worker $1 may append to, and whether it already has commit $6 of the attempt. The subquery
-- uses $4 and not the column of the queue, so that other partitions are excluded before planning.
SELECT q.version, EXISTS (
  SELECT FROM syncline.events e
  WHERE e.task = $4 AND e.attempt = q.attempt AND e.type = 'BookmarkSaved' AND (e.data->>'commit')::integer = $6
) AS saved
FROM syncline.task_queue q
WHERE q.source = $2 AND q.collection = $3 AND q.task = $4 AND q.claim = $5 AND q.worker = $1

-- name: save_bookmark
-- Saves commit $10 of the attempt: destination $6 has $7 rows up to bookmark $8 of generation $9, for standing $12. No row
-- if the lease has expired, or if the stream is no longer at version $11: it may already have this commit, if the answer
-- to an earlier try was lost.
WITH fence AS MATERIALIZED (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), moved AS (
  UPDATE syncline.task_queue q
  SET version = q.version + 1, changed_at = syncline.clock(), xid = syncline.position()
  WHERE q.source = $2 AND q.collection = $3 AND q.task = $4 AND q.claim = $5 AND q.worker = $1
    AND q.version = $11 AND q.xid <= syncline.position() AND EXISTS (SELECT FROM fence)
  RETURNING q.source, q.collection, q.task, q.attempt, q.version, q.changed_at AS at
), listed AS (
  UPDATE syncline.tasks t SET rows = t.rows + $7::bigint, version = m.version FROM moved m WHERE t.task = m.task
), saved AS (
  INSERT INTO syncline.bookmarks AS b (source, collection, destination, bookmark, generation, task, attempt, saved_at)
  SELECT source, collection, $6::text, $8::jsonb, $9::bigint, task, attempt, at FROM moved
  ON CONFLICT (source, collection, destination) DO UPDATE
  SET bookmark = excluded.bookmark, generation = excluded.generation, task = excluded.task, attempt = excluded.attempt,
      saved_at = excluded.saved_at
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'BookmarkSaved', at, 'RUNNING', attempt, $1,
         jsonb_build_object('destination', $6::text, 'rows', $7::bigint, 'bookmark', $8::jsonb, 'generation', $9::bigint,
                            'commit', $10::integer, 'standing', $12::text)
  FROM moved
)
SELECT version FROM moved

-- name: saved_bookmarks
-- The last bookmark of generation $3 for each destination of a collection, NULL if its source leaves none, and what it
-- stands for. Only the event that saved it says that: in a column, workers of earlier releases would leave a wrong one.
SELECT b.destination, b.bookmark, (
  SELECT e.data ->> 'standing' FROM syncline.events e
  WHERE e.task = b.task AND e.type = 'BookmarkSaved' AND e.data ->> 'destination' = b.destination
  ORDER BY e.version DESC LIMIT 1
) AS standing
FROM syncline.bookmarks b
WHERE b.source = $1 AND b.collection = $2 AND b.generation = $3

-- name: known_schemas
-- The newest revision of each table that a collection has loaded.
SELECT DISTINCT ON (destination, table_name) destination, table_name, revision, columns
FROM syncline.table_schemas WHERE source = $1 AND collection = $2
ORDER BY destination, table_name, revision DESC

-- name: schema_head
-- The version of a stream that worker $1 may append to, and whether the table already has revision $8.
SELECT q.version, EXISTS (
  SELECT FROM syncline.table_schemas s
  WHERE s.source = $2 AND s.collection = $3 AND s.destination = $6 AND s.table_name = $7 AND s.revision = $8
) AS saved
FROM syncline.task_queue q
WHERE q.source = $2 AND q.collection = $3 AND q.task = $4 AND q.claim = $5 AND q.worker = $1

-- name: revise_schema
-- Adds revision $8 of the columns of a table, with the columns and changes in $9. Returns no row if the lease has
-- expired, or if the stream is no longer at version $10, as in `save_bookmark`.
WITH fence AS MATERIALIZED (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), moved AS (
  UPDATE syncline.task_queue q
  SET version = q.version + 1, changed_at = syncline.clock(), xid = syncline.position()
  WHERE q.source = $2 AND q.collection = $3 AND q.task = $4 AND q.claim = $5 AND q.worker = $1
    AND q.version = $10 AND q.xid <= syncline.position() AND EXISTS (SELECT FROM fence)
  RETURNING q.source, q.collection, q.task, q.attempt, q.version, q.changed_at AS at
), listed AS (
  UPDATE syncline.tasks t SET version = m.version FROM moved m WHERE t.task = m.task
), revised AS (
  INSERT INTO syncline.table_schemas
    (source, collection, destination, table_name, revision, columns, changes, task, attempt, changed_at)
  SELECT source, collection, $6::text, $7::text, $8::integer, $9::jsonb -> 'columns', $9::jsonb -> 'changes', task, attempt, at
  FROM moved
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'SchemaChanged', at, 'RUNNING', attempt, $1, $9::jsonb FROM moved
)
SELECT version FROM moved

-- name: renewal_head
-- The version of a stream that worker $1 may append to, and whether it already has renewal $6 of the attempt.
SELECT q.version, EXISTS (
  SELECT FROM syncline.events e
  WHERE e.task = $4 AND e.attempt = q.attempt AND e.type = 'ConfigRenewed' AND (e.data->>'renewal')::integer = $6
) AS saved
FROM syncline.task_queue q
WHERE q.source = $2 AND q.collection = $3 AND q.task = $4 AND q.claim = $5 AND q.worker = $1

-- name: keep_renewed_config
-- Keeps renewal $6 of the attempt: what source or destination ($7, $8) has made of its configuration $12 seconds ago ($9 to
-- $11; null without a secret key: the event alone is appended). No row if the lease has expired, or if the stream is no
-- longer at version $13, as in `save_bookmark`.
-- Attempts of other collections of the source run at the same time, so the latest renewal stays. A time in the future is
-- of a clock that was set back since. One that began before the configuration in the catalogue was changed has a digest ($10)
-- of its own, and so replaces nothing newer; rows of other digests that were not renewed for 30 days are removed.
WITH fence AS MATERIALIZED (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), moved AS (
  UPDATE syncline.task_queue q
  SET version = q.version + 1, changed_at = syncline.clock(), xid = syncline.position()
  WHERE q.source = $2 AND q.collection = $3 AND q.task = $4 AND q.claim = $5 AND q.worker = $1
    AND q.version = $13 AND q.xid <= syncline.position() AND EXISTS (SELECT FROM fence)
  RETURNING q.task, q.attempt, q.version, q.changed_at AS at
), listed AS (
  UPDATE syncline.tasks t SET version = m.version FROM moved m WHERE t.task = m.task
), kept AS (
  INSERT INTO syncline.renewed_configs AS r (role, name, digest, key_id, sealed, renewed_at)
  SELECT $7::text, $8::text, $10::bytea, $9::bytea, $11::bytea, at - $12::float8 * interval '1 s' FROM moved WHERE $11::bytea IS NOT NULL
  ON CONFLICT (role, name, digest) DO UPDATE
  SET key_id = excluded.key_id, sealed = excluded.sealed, renewed_at = excluded.renewed_at
  WHERE excluded.renewed_at >= r.renewed_at OR r.renewed_at > syncline.clock()
), forgotten AS (
  DELETE FROM syncline.renewed_configs r USING moved m
  WHERE r.role = $7::text AND r.name = $8::text AND r.digest <> $10::bytea AND r.renewed_at < m.at - interval '30 days'
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'ConfigRenewed', at, 'RUNNING', attempt, $1,
         jsonb_build_object('renewal', $6::integer, 'role', $7::text, 'name', $8::text, 'kept', $11::bytea IS NOT NULL)
  FROM moved
)
SELECT version FROM moved

-- name: report_progress
-- Appends the progress $6 of attempts: collections ($2, $3), tasks $4, claims $5. Attempts that no longer belong to
-- worker $1, or whose row is locked, are skipped: more progress will follow.
WITH fence AS MATERIALIZED (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), report AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[]) AS p (source, collection, task, claim, progress)
), head AS MATERIALIZED (
  SELECT q.source, q.collection, p.progress
  FROM syncline.task_queue q JOIN report p ON p.source = q.source AND p.collection = q.collection
  WHERE q.task = p.task AND q.claim = p.claim AND q.worker = $1 AND q.xid <= syncline.position()
    AND EXISTS (SELECT FROM fence)
  FOR UPDATE OF q SKIP LOCKED
), moved AS (
  UPDATE syncline.task_queue q
  SET version = q.version + 1, changed_at = syncline.clock(), xid = syncline.position()
  FROM head h
  WHERE q.source = h.source AND q.collection = h.collection
  RETURNING q.task, q.attempt, q.version, q.changed_at AS at, h.progress
), listed AS (
  UPDATE syncline.tasks t SET version = m.version FROM moved m WHERE t.task = m.task
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'ProgressReported', at, 'RUNNING', attempt, $1, progress::jsonb FROM moved
)
SELECT count(*) FROM moved

-- name: cancel_task
-- Cancels a queued task, or requests the cancellation of a running one. Returns the new status, or no row if the task is
-- not active or its row changed meanwhile.
WITH listed AS (
  SELECT source, collection FROM syncline.tasks WHERE task = $1
), head AS MATERIALIZED (
  SELECT q.source, q.collection, q.status, q.cancel_requested
  FROM syncline.task_queue q JOIN listed USING (source, collection)
  WHERE q.task = $1 AND q.xid <= syncline.position()
  FOR UPDATE OF q
), ended AS (
  DELETE FROM syncline.task_queue q USING head h
  WHERE q.source = h.source AND q.collection = h.collection AND h.status = 'SCHEDULED'
  RETURNING q.task, q.source, q.collection, q.attempt, q.version + 1 AS version, syncline.clock() AS at
), requested AS (
  UPDATE syncline.task_queue q
  SET cancel_requested = true, version = q.version + 1, changed_at = syncline.clock(), xid = syncline.position()
  FROM head h
  WHERE q.source = h.source AND q.collection = h.collection AND h.status = 'RUNNING' AND NOT h.cancel_requested
  RETURNING q.task, q.attempt, q.worker, q.version, q.changed_at AS at
), listed_end AS (
  UPDATE syncline.tasks t SET status = 'CANCELED', finished_at = e.at, version = e.version FROM ended e WHERE t.task = e.task
), listed_request AS (
  UPDATE syncline.tasks t SET version = a.version FROM requested a WHERE t.task = a.task
), reported AS (
  UPDATE syncline.collection_status s SET last_status = 'CANCELED'
  FROM ended e WHERE s.source = e.source AND s.collection = e.collection
), appended_end AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt)
  SELECT task, version, 'TaskCanceled', at, 'CANCELED', attempt FROM ended
), appended_request AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker)
  SELECT task, version, 'CancelRequested', at, 'RUNNING', attempt, worker FROM requested
), logged AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT e.task, e.attempt, 1 + coalesce((SELECT max(line) FROM syncline.log_events l WHERE l.task = $1 AND l.attempt = e.attempt), 0),
         e.at, 'warn', $2
  FROM ended e
)
SELECT CASE h.status WHEN 'SCHEDULED' THEN 'CANCELED' ELSE h.status END AS status FROM head h

-- name: rescue_attempts
-- Ends the attempts of workers that are gone. The task is canceled if that was requested, fails if it was the last
-- attempt, and is queued again otherwise. Runs in one transaction after `mark_lost_workers`: only then can the lost
-- worker write no more log lines.
WITH gone AS MATERIALIZED (
  SELECT q.source, q.collection,
         CASE WHEN q.cancel_requested THEN 'CANCELED' WHEN q.failures + 1 >= q.max_attempts THEN 'FAILED' ELSE 'SCHEDULED' END AS status,
         'worker ' || coalesce(w.host || ' (pid ' || w.pid || ')', q.worker::text) || ' is gone: its lease ran out' AS error
  FROM syncline.task_queue q LEFT JOIN syncline.workers w USING (worker)
  WHERE q.status = 'RUNNING' AND coalesce(w.state, 'lost') IN ('lost', 'stopped') AND q.xid <= syncline.position()
  LIMIT 1000
  FOR UPDATE OF q SKIP LOCKED
), requeued AS (
  UPDATE syncline.task_queue q
  SET status = 'SCHEDULED', version = q.version + 1, worker = NULL, run_at = syncline.clock(), failures = q.failures + 1,
      changed_at = syncline.clock(), xid = syncline.position()
  FROM gone g WHERE q.source = g.source AND q.collection = g.collection AND g.status = 'SCHEDULED'
  RETURNING g.*, q.task, q.version, q.attempt, q.failures, q.changed_at AS at, q.run_at
), ended AS (
  DELETE FROM syncline.task_queue q USING gone g
  WHERE q.source = g.source AND q.collection = g.collection AND g.status <> 'SCHEDULED'
  RETURNING g.*, q.task, q.version + 1 AS version, q.attempt,
            q.failures + CASE WHEN g.status = 'FAILED' THEN 1 ELSE 0 END AS failures, syncline.clock() AS at, NULL::timestamptz AS run_at
), moved AS (
  SELECT * FROM requeued UNION ALL SELECT * FROM ended
), listed AS (
  UPDATE syncline.tasks t
  SET status = m.status, failures = m.failures, version = m.version, error = m.error,
      finished_at = CASE WHEN m.status = 'SCHEDULED' THEN NULL ELSE m.at END
  FROM moved m WHERE t.task = m.task
), reported AS (
  UPDATE syncline.collection_status s
  SET last_status = m.status,
      last_failure_at = CASE WHEN m.status = 'FAILED' THEN m.at ELSE s.last_failure_at END,
      consecutive_failures = s.consecutive_failures + CASE WHEN m.status = 'FAILED' THEN 1 ELSE 0 END
  FROM moved m WHERE s.source = m.source AND s.collection = m.collection
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
  SELECT task, version,
         CASE status WHEN 'SCHEDULED' THEN 'AttemptRescued' WHEN 'FAILED' THEN 'TaskFailed' ELSE 'TaskCanceled' END,
         at, status, attempt, jsonb_strip_nulls(jsonb_build_object('error', error, 'run_at', run_at))
  FROM moved
), logged AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT task, attempt,
         1 + coalesce((SELECT max(line) FROM syncline.log_events l WHERE l.task = m.task AND l.attempt = m.attempt), 0),
         at, CASE status WHEN 'CANCELED' THEN 'warn' ELSE 'error' END,
         '[' || source || '_' || collection || '_' || task || '] '
           || CASE status WHEN 'SCHEDULED' THEN 'attempt ' || attempt || ' is taken over: ' WHEN 'FAILED' THEN 'FINISHED WITH ERROR: '
                          ELSE 'CANCELED: ' END || error
  FROM moved m
)
SELECT source, collection, task, attempt, status FROM moved
