-- Parts of statements: the name of one in braces, in a statement of another file, stands for its text.

-- name: fence
-- The lease of worker $1, locked so that it cannot be taken away before the statement has committed; no row if it has expired.
fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
)

-- name: own
-- The head of collection ($2, $3), as long as claim $5 of task $4 is worker $1's.
c.source = $2 AND c.collection = $3 AND c.task = $4 AND c.claim = $5 AND c.worker = $1

-- name: moved_once
-- Moves the stream of an attempt by one event, unless it is no longer at version $6.
moved AS (
  UPDATE syncline.collections c
  SET version = c.version + 1, changed_at = greatest(f.at, c.changed_at), xid = syncline.position()
  FROM fence f
  WHERE {own} AND c.version = $6 AND c.xid <= syncline.position()
  RETURNING c.source, c.collection, c.task, c.attempt, c.version, c.changed_at AS at
)

-- name: instead_of_row
-- Replaces the row of a task in `tasks` by another one.
ON CONFLICT (task) DO UPDATE
SET source = excluded.source, collection = excluded.collection, source_type = excluded.source_type,
    trigger = excluded.trigger, fire_time = excluded.fire_time, priority = excluded.priority,
    max_attempts = excluded.max_attempts, status = excluded.status, attempt = excluded.attempt,
    failures = excluded.failures, rows = excluded.rows, error = excluded.error, created_at = excluded.created_at,
    started_at = excluded.started_at, finished_at = excluded.finished_at, version = excluded.version,
    backfill = excluded.backfill

-- name: ended
-- Inserts the tasks that have ended with the step from their heads. A row of such a task cannot be of its events, which say
-- that it was active until now: it is replaced, for otherwise its task could never end, nor those that end with it.
ended AS (
  INSERT INTO syncline.tasks
    (task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
     created_at, started_at, finished_at, version, backfill)
  SELECT task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
         created_at, started_at, changed_at, version, backfill
  FROM moved WHERE status NOT IN ('SCHEDULED', 'RUNNING')
  {instead_of_row}
)

-- name: claimed
-- Assigns the tasks of the heads in `due` to worker $1, at the time of its fence; their events say what is in `said`.
moved AS (
  UPDATE syncline.collections c
  SET status = 'RUNNING', version = c.version + 1, attempt = c.attempt + 1, worker = $1,
      claim = greatest(c.claim + 1, (extract(epoch FROM f.at) * 1000)::bigint << 20 | floor(random() * 1048576)::bigint),
      started_at = coalesce(c.started_at, greatest(f.at, c.changed_at)), changed_at = greatest(f.at, c.changed_at),
      xid = syncline.position(), line = 0
  FROM due, fence f
  WHERE c.source = due.source AND c.collection = due.collection AND c.xid <= syncline.position()
  RETURNING c.*
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data, line)
  SELECT task, version, 'TaskStarted', changed_at, 'RUNNING', attempt, $1,
         jsonb_build_object('claim', claim) || (SELECT data FROM said), line
  FROM moved
)
SELECT source, collection, task, attempt, claim, failures, max_attempts, cancel_requested, changed_at AS at,
       coalesce((SELECT generation FROM syncline.resets r WHERE r.source = m.source AND r.collection = m.collection), 0)
         AS generation, backfill
FROM moved m

-- name: after_line
-- The lines of a log after (attempt $2, line $3), written between $4 and $5.
(attempt, line) > ($2::smallint, $3::integer) AND at >= $4 AND at <= $5

-- name: before_line
-- The lines of a log before (attempt $7, line $8).
(attempt, line) < ($7::smallint, $8::integer)

-- name: lines_of_events
-- What the events of task $1 add to its log. If retention has removed the lines that its attempts wrote, the first line says
-- so: if the last number of an attempt exceeds the number of its events that have one, it had written lines of its own. A task
-- of an earlier release, whose events have no numbers, had at least one line.
SELECT attempt, line, at, level, message, NULL::text AS system FROM syncline.event_lines WHERE task = $1 AND {after_line}
UNION ALL
SELECT * FROM (
  SELECT 0::smallint AS attempt, 0 AS line, at, 'warn' AS level,
         '[' || (data ->> 'source') || '_' || (data ->> 'collection') || '_' || task || '] older log lines were removed: see '
           || 'server.sync_tasks.store_logs.last_runs and server.retention.days' AS message, NULL::text AS system
  FROM syncline.events
  WHERE task = $1 AND version = 1 AND NOT EXISTS (SELECT FROM syncline.log_events WHERE task = $1) AND CASE
    WHEN EXISTS (SELECT FROM syncline.events WHERE task = $1 AND line IS NOT NULL)
    THEN EXISTS (SELECT FROM syncline.event_lines WHERE task = $1 AND line > 0 GROUP BY attempt HAVING max(line) > count(*))
    ELSE EXISTS (SELECT FROM syncline.tasks WHERE task = $1 AND attempt > 0) END
) AS gone WHERE {after_line}

-- name: of_collection
-- The last pause of the collection of row s, or of its source.
p.source = s.source AND p.collection IN (s.collection, '')

-- name: is_paused
-- Whether the collection of row s is paused.
EXISTS (SELECT FROM syncline.pauses p WHERE {of_collection} AND p.ends_at > (SELECT syncline.clock()))

-- name: is_left_out
-- Whether the collection of a head is among those that are left out, or its whole source is.
((source, collection) IN (SELECT source, collection FROM left_out)) IS TRUE
OR (source IN (SELECT source FROM left_out WHERE collection = '')) IS TRUE

-- name: last_pauses
-- The rows of pauses, as the facts say.
SELECT DISTINCT ON (e.data ->> 'source', coalesce(e.data ->> 'collection', ''))
       e.data ->> 'source' AS source, coalesce(e.data ->> 'collection', '') AS collection, (e.data ->> 'since')::timestamptz AS since,
       CASE e.type WHEN 'CollectionResumed' THEN e.at ELSE coalesce((e.data ->> 'until')::timestamptz, 'infinity') END AS ends_at,
       e.at AS changed_at, e.data -> 'who' AS who, e.data ->> 'note' AS note, e.task AS fact, e.xid
FROM syncline.events e WHERE e.status IS NULL AND e.type IN ('CollectionPaused', 'CollectionResumed')
ORDER BY e.data ->> 'source', coalesce(e.data ->> 'collection', ''), e.xid DESC

-- name: new_generation
-- A generation that begins at `at`: milliseconds and 12 random bits. It is greater than all before it, and not used again after
-- a restore. Until 2039 it fits into a double without loss.
floor(extract(epoch FROM at) * 1000) * 4096 + floor(random() * 4096)::integer

-- name: last_resets
-- The rows of resets, as the facts say. Bookmarks that are set begin a generation, too.
SELECT DISTINCT ON (e.data ->> 'source', e.data ->> 'collection')
       e.data ->> 'source' AS source, e.data ->> 'collection' AS collection, (e.data ->> 'generation')::bigint AS generation,
       e.at AS reset_at, e.task AS fact, e.xid
FROM syncline.events e WHERE e.status IS NULL AND e.type IN ('CollectionReset', 'BookmarkSet')
ORDER BY e.data ->> 'source', e.data ->> 'collection', e.xid DESC

-- name: last_error
-- The error of the last event of task $1 that has one.
(
  SELECT e.data ->> 'error' FROM syncline.events e
  WHERE e.task = $1 AND e.data ? 'error'
    AND e.type IN ('AttemptFailed', 'AttemptRescued', 'AttemptHandedBack', 'TaskFailed', 'TaskCanceled')
  ORDER BY e.version DESC LIMIT 1
)

-- name: columns_of_ended
-- The columns of a task that has ended, in the order of a list.
task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
       created_at, started_at, finished_at, backfill

-- name: columns_of_active
-- The same of a head of a collection.
task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,
       created_at, started_at, NULL::timestamptz AS finished_at, backfill

-- name: first_id
-- The lowest id of a task that was created since $1, so that no week before is opened.
syncline.uuid7_floor(greatest($1, timestamptz '1970-01-01 00:00:00Z'))

-- name: active_heads
-- The heads whose task waits or runs: each status has an index with these alone.
(
      SELECT * FROM syncline.collections WHERE status = 'SCHEDULED' UNION ALL SELECT * FROM syncline.collections WHERE status = 'RUNNING'
    ) AS active

-- name: check
-- The check of an event, as `Place.of` makes it.
(extract(epoch FROM at) * 1000000)::bigint & 4294967295

-- name: columns_of_feed
-- An event as it is in the feed. Bookmarks are left out: they may be large, and may have values of the source.
e.xid, e.task, e.version, e.type, e.v, e.at, e.status, e.attempt, e.worker,
      CASE WHEN e.data ? 'bookmark' THEN e.data - 'bookmark' ELSE e.data END AS data

-- name: next_of_feed
-- The events after place ($1, $2, $3): `next` are the first $4 of all, `wanted` at most $5 of them that the filters $6 (types), $7
-- (source) and $8 (collection) let through.
--
-- Below the horizon all transactions have ended, so no event can appear before one that was read (see `next_transactions`).
-- The index has positions alone: by these the next events are found, with all of their last transaction, and then sorted.
-- Asked for the whole order at once, the planner would read and sort all events that are left, for every page.
--
-- What a task is about is in its first event. Mostly that is among the next, too: to look into the partitions for each task would
-- take longer than all the rest. Names are found in an object, as joins without an index are pinned off (see `PINNED_PLANS`).
horizon AS MATERIALIZED (
  SELECT syncline.position(pg_snapshot_xmin(pg_current_snapshot())) AS xid
), next AS MATERIALIZED (
  SELECT * FROM (
    SELECT {columns_of_feed} FROM syncline.events e
    WHERE e.xid >= $1 AND (e.xid, e.task, e.version) > ($1, $2, $3) AND e.xid < (SELECT xid FROM horizon)
    ORDER BY e.xid FETCH FIRST ($4::bigint) ROWS WITH TIES
  ) AS whole
  ORDER BY xid, task, version LIMIT $4
), firsts AS MATERIALIZED (
  SELECT task, data ->> 'source' AS source, data ->> 'collection' AS collection FROM next WHERE version = 1
  UNION ALL
  SELECT n.task, s.source, s.collection FROM (
    SELECT DISTINCT task FROM next
    WHERE task NOT IN (SELECT task FROM next WHERE version = 1) AND ($6::text[] IS NULL OR type = ANY ($6))
  ) AS n CROSS JOIN LATERAL {subject} AS s
), subjects AS MATERIALIZED (
  SELECT jsonb_object_agg(task::text, jsonb_build_object('source', source, 'collection', collection)) AS of_tasks FROM firsts
), wanted AS (
  SELECT * FROM next n
  WHERE ($6::text[] IS NULL OR type = ANY ($6)) AND ($7::text IS NULL OR {subject_of_next} ->> 'source' = $7)
    AND ($8::text IS NULL OR {subject_of_next} ->> 'collection' = $8)
  ORDER BY xid, task, version LIMIT $5
)

-- name: subject_of_next
-- What event n of the next is about.
((SELECT of_tasks FROM subjects) -> n.task::text)

-- name: how_far
-- How far `next_of_feed` has read: with filters, how many events, and the place of the last one; what retention has removed; and
-- whether the store has the event at the place where it began ($9: it is one; $10: its check, 0 if it is not known) or has come as
-- far as the position.
jsonb_build_object(
  'read', CASE WHEN {is_filtered} THEN (SELECT count(*) FROM next) END,
  'last', CASE WHEN {is_filtered} THEN (
            SELECT jsonb_build_array(xid, task, version, {check})
            FROM (SELECT * FROM next ORDER BY xid DESC, task DESC, version DESC LIMIT 1) AS last
          ) END,
  'gone_upto', (SELECT gone_upto FROM syncline.retention),
  'is_known', CASE WHEN $9::boolean THEN EXISTS (
                     SELECT FROM syncline.events
                     WHERE task = $2 AND version = $3 AND xid = $1 AND ($10::bigint = 0 OR $10 = {check})
                   )
                   ELSE $1 < (SELECT xid FROM horizon) END
)::text

-- name: is_filtered
-- Whether the feed is read with filters.
($6::text[] IS NOT NULL OR $7::text IS NOT NULL OR $8::text IS NOT NULL)

-- name: horizon
-- Below it all transactions have ended.
(SELECT syncline.position(pg_snapshot_xmin(pg_current_snapshot())))

-- name: subject
-- What event n is about, as the first event of its stream says.
(
    SELECT b.data ->> 'source' AS source, b.data ->> 'collection' AS collection
    FROM syncline.events b WHERE b.task = n.task AND b.version = 1 LIMIT 1
  )

-- name: is_found
-- Whether event n, which is about s, is of types $7 and not of types $8, and has the texts $9 in the name of its source, $10 in
-- that of its collection, $11 in that of whoever has caused it, and each of $12 in both names, in upper or lower case; nulls let
-- everything through. Both texts are made lower here, because a database with the locale C does that for ASCII letters alone.
($7::text[] IS NULL OR n.type = ANY ($7)) AND n.type <> ALL ($8::text[])
    AND ($9::text IS NULL OR strpos(lower(s.source), lower($9)) > 0)
    AND ($10::text IS NULL OR strpos(lower(s.collection), lower($10)) > 0)
    AND ($11::text IS NULL OR strpos(lower(n.data -> 'who' ->> 'name'), lower($11)) > 0)
    AND NOT EXISTS (SELECT FROM unnest($12::text[]) AS word WHERE strpos(lower(concat_ws('.', s.source, s.collection)), lower(word)) = 0)

-- name: found_and_looked_at
-- What was found, and how far has been looked.
f.xid, f.task, f.version, f.type, f.v, f.at, f.status, f.attempt, f.worker, f.source, f.collection, f.data::text AS details,
       c.looked_at, l.xid AS last_xid, l.task AS last_task, l.version AS last_version, l.at AS last_at
FROM (SELECT count(*) AS looked_at FROM next) AS c
