-- Projections: the event streams they are folded from, their checkpoints, and the rows that a rebuild corrects.

-- name: plan_streams
-- Makes the planner read streams in index order, also behind a pooler, where the session's settings are missing.
SELECT set_config(setting, 'off', true)
FROM unnest(ARRAY['enable_bitmapscan', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS s (setting)

-- name: plan_sets
-- From here to the end of the transaction the planner is free to choose: whole tables are compared.
SELECT set_config(setting, 'on', true)
FROM unnest(ARRAY['enable_bitmapscan', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS s (setting)

-- name: stream_batch
-- Whole streams of tasks after $1 in the order of the tasks, about $2 events. Bookmarks are left out: they may be large, and
-- no fold needs them.
SELECT task, version, type, v, at, status, attempt, worker, data - 'bookmark' AS data, line, xid
FROM (
  SELECT * FROM syncline.events WHERE task > $1 AND status IS NOT NULL ORDER BY task FETCH FIRST ($2::bigint) ROWS WITH TIES
) AS whole
ORDER BY task, version

-- name: streams_of
-- The streams of the given tasks. As a join, so that each task is searched in its own partition only.
SELECT task, version, type, v, at, status, attempt, worker, data - 'bookmark' AS data, line, xid
FROM (SELECT DISTINCT unnest($1::uuid[]) AS task) AS wanted JOIN syncline.events USING (task)
ORDER BY task, version

-- name: horizon
-- All transactions below this id have ended: their events are visible now, or never will be.
SELECT syncline.position(pg_snapshot_xmin(pg_current_snapshot()))

-- name: touched_since
-- Tasks with events of transaction $1 or later.
SELECT DISTINCT task FROM syncline.events WHERE xid >= $1 AND status IS NOT NULL

-- name: behind
-- The live generation of projection $1 if it has events to apply; writes nothing.
SELECT c.generation FROM syncline.checkpoints c
WHERE c.projection = $1 AND c.state = 'live' AND EXISTS (
  SELECT FROM syncline.events e WHERE e.xid > c.xid AND e.xid < syncline.position(pg_snapshot_xmin(pg_current_snapshot()))
)

-- name: take_checkpoint
-- Locks the checkpoint of generation $2 of projection $1; no row if another replica holds it.
SELECT xid FROM syncline.checkpoints WHERE projection = $1 AND generation = $2 FOR UPDATE SKIP LOCKED

-- name: hold_checkpoint
-- Locks the checkpoint of generation $2 of projection $1, and waits for the lock.
SELECT xid FROM syncline.checkpoints WHERE projection = $1 AND generation = $2 FOR UPDATE

-- name: share_checkpoint
-- Locks the checkpoint of generation $2 of projection $1 so that no other rebuild can delete it.
SELECT xid FROM syncline.checkpoints WHERE projection = $1 AND generation = $2 FOR SHARE

-- name: live_checkpoint
-- The live generation of projection $1, which reports read, and its last transaction.
SELECT generation, xid FROM syncline.checkpoints WHERE projection = $1 AND state = 'live'

-- name: next_transactions
-- The last of the next whole transactions after $1, and how many events they have: about $2, or all that there are.
--
-- The line with pg_snapshot_xmin is essential. A transaction takes its id before it commits, so a lower id can become
-- visible after a higher one was read. A reader that continues after the highest id it has seen loses those events for
-- good. Below the oldest running transaction, nothing new can appear.
SELECT xid, count(*) OVER () AS events
FROM (
  SELECT xid FROM syncline.events
  WHERE xid > $1
    AND xid < syncline.position(pg_snapshot_xmin(pg_current_snapshot()))
  ORDER BY xid FETCH FIRST ($2::bigint) ROWS WITH TIES
) AS whole
ORDER BY xid DESC
LIMIT 1

-- name: streams_that_ended
-- The streams that ended in the transactions after $1 up to $2. $3 lists the types of terminal events.
SELECT task, version, type, v, at, status, attempt, worker, data - 'bookmark' AS data, line, xid
FROM syncline.events
WHERE task IN (SELECT task FROM syncline.events WHERE xid > $1 AND xid <= $2 AND type = ANY ($3::text[]))
ORDER BY task, version

-- name: move_checkpoint
-- Generation $2 of projection $1 has applied everything up to transaction $3.
UPDATE syncline.checkpoints SET xid = $3, updated_at = syncline.clock() WHERE projection = $1 AND generation = $2

-- name: hold_checkpoints
-- Locks all checkpoints of projection $1.
SELECT FROM syncline.checkpoints WHERE projection = $1 FOR UPDATE

-- name: begin_generation
-- Adds a generation of projection $1, to be built from the first event, under a number that was never used. Deletes the
-- generation that another rebuild was building.
WITH given_up AS (
  DELETE FROM syncline.checkpoints WHERE projection = $1 AND state = 'building'
)
INSERT INTO syncline.checkpoints (projection, generation, state, xid, updated_at)
SELECT $1, 1 + coalesce(max(generation), 0), 'building', '0', syncline.clock() FROM syncline.checkpoints WHERE projection = $1
RETURNING generation

-- name: end_live_generation
-- Reports read no generation of projection $1 until the next one goes live in the same transaction.
DELETE FROM syncline.checkpoints WHERE projection = $1 AND state = 'live'

-- name: go_live
-- Reports read generation $2 of projection $1 from now on.
UPDATE syncline.checkpoints SET state = 'live', updated_at = syncline.clock() WHERE projection = $1 AND generation = $2

-- name: hold_events
-- Until the end of the transaction no partition of events is retired. LOCK takes no snapshot, so the statements after it
-- see the state once the lock is held.
LOCK TABLE syncline.events IN ACCESS SHARE MODE

-- name: retention
-- How often tasks were retired, and the first day whose statistics are not final: events of earlier days may be gone.
SELECT rounds, sealed_before FROM syncline.retention

-- name: retired_failures
-- Failures whose events were retired, but which still count, as long as the collection's last success is the given task.
SELECT source, collection, success, failures FROM syncline.retired_failures

-- name: stop_the_queue
-- Until the end of the transaction no event is appended. A table lock instead of row locks: a statement that waits for a
-- row keeps its old snapshot and would not see rows that were restored meanwhile; one that waits for the table takes its
-- snapshot afterwards.
LOCK TABLE syncline.collections IN SHARE ROW EXCLUSIVE MODE

-- name: drop_wrong_tasks
-- Deletes the rows of the given tasks that differ from the expected ones. An active task has none.
DELETE FROM syncline.tasks t USING jsonb_populate_recordset(NULL::syncline.tasks, $1) w
WHERE t.task = w.task AND t IS DISTINCT FROM w

-- name: add_missing_tasks
-- Adds the rows of the given tasks that have ended and are missing.
INSERT INTO syncline.tasks SELECT * FROM jsonb_populate_recordset(NULL::syncline.tasks, $1) WHERE finished_at IS NOT NULL
ON CONFLICT DO NOTHING

-- name: count_tasks
-- Counts the tasks that have ended.
SELECT count(*) FROM syncline.tasks

-- name: drop_wrong_collections
-- Deletes the rows of collections that are not expected, or differ.
DELETE FROM syncline.collections t WHERE NOT EXISTS (
  SELECT FROM jsonb_populate_recordset(NULL::syncline.collections, $1) w
  WHERE w.source = t.source AND w.collection = t.collection AND w IS NOT DISTINCT FROM t
)

-- name: add_missing_collections
-- Adds the rows of collections that are missing.
INSERT INTO syncline.collections
SELECT * FROM jsonb_populate_recordset(NULL::syncline.collections, $1) ON CONFLICT DO NOTHING

-- name: cancel_displaced
-- Cancels active tasks that are not their collection's last one, because that was requested when the row of the collection
-- was lost. Runs while the queue is stopped; the rows of the tasks are added afterwards.
INSERT INTO syncline.events (task, version, type, at, status, attempt, data, line)
SELECT DISTINCT ON (task) task, version + 1, 'TaskCanceled', greatest(at, syncline.clock()), 'CANCELED', attempt,
       jsonb_build_object('error', $2::text),
       1 + coalesce((SELECT max(line) FROM syncline.log_lines l WHERE l.task = e.task AND l.attempt = e.attempt), 0)
FROM syncline.events e WHERE task = ANY ($1::uuid[])
ORDER BY task, version DESC

-- name: drop_wrong_table_schemas
-- Deletes the revisions of tables that are not expected, or differ.
DELETE FROM syncline.table_schemas t WHERE NOT EXISTS (
  SELECT FROM jsonb_populate_recordset(NULL::syncline.table_schemas, $1) w
  WHERE w.source = t.source AND w.collection = t.collection AND w.destination = t.destination
    AND w.table_name = t.table_name AND w.revision = t.revision AND w IS NOT DISTINCT FROM t
)

-- name: add_missing_table_schemas
-- Adds the revisions of tables that are missing.
INSERT INTO syncline.table_schemas
SELECT * FROM jsonb_populate_recordset(NULL::syncline.table_schemas, $1) ON CONFLICT DO NOTHING

-- name: expected_bookmarks
-- The bookmarks that the given events (task, version) saved, without void ones: an attempt starts only from a bookmark of
-- the collection's own generation, not from an older one, nor from a newer one that a restore has lost. Where none was saved
-- since bookmarks were set, those that were set.
WITH saved AS MATERIALIZED (
  SELECT s.data ->> 'source' AS source, s.data ->> 'collection' AS collection, e.data ->> 'destination' AS destination,
         nullif(e.data -> 'bookmark', 'null') AS bookmark, (e.data ->> 'generation')::bigint AS generation, e.task, e.attempt,
         e.at AS saved_at
  FROM unnest($1::uuid[], $2::integer[]) AS saved (task, version)
  JOIN syncline.events e USING (task, version)
  JOIN syncline.events s ON s.task = e.task AND s.version = 1
  LEFT JOIN syncline.resets r ON r.source = s.data ->> 'source' AND r.collection = s.data ->> 'collection'
  WHERE (e.data ->> 'generation')::bigint = coalesce(r.generation, 0)
)
SELECT * FROM saved
UNION ALL
SELECT r.source, r.collection, b.key, nullif(b.value, 'null'), r.generation, e.task, e.attempt, e.at
FROM syncline.resets r
JOIN syncline.events e ON e.task = r.fact AND e.version = 1 AND e.type = 'BookmarkSet'
CROSS JOIN jsonb_each(e.data -> 'bookmark') AS b
WHERE NOT EXISTS (SELECT FROM saved s WHERE s.source = r.source AND s.collection = r.collection AND s.destination = b.key)

-- name: drop_bookmarks
-- Deletes all bookmarks; the same transaction writes them again.
DELETE FROM syncline.bookmarks

-- name: found_bookmarks
-- The stored bookmarks, without void ones, which attempts from before a reset may have saved.
SELECT b.* FROM syncline.bookmarks b
LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
WHERE b.generation = coalesce(r.generation, 0)

-- name: tasks_between
-- The rows of tasks after $1 up to $2, or to the end.
SELECT * FROM syncline.tasks WHERE task > $1 AND ($2::uuid IS NULL OR task <= $2)

-- name: all_collections
-- The rows of all collections.
SELECT * FROM syncline.collections

-- name: all_table_schemas
-- All revisions of all tables.
SELECT * FROM syncline.table_schemas

-- name: hold_facts
-- Until the end of the transaction no collection is paused, resumed or reset, and none of its bookmarks set.
LOCK TABLE syncline.pauses, syncline.resets IN SHARE ROW EXCLUSIVE MODE

-- name: expected_pauses
-- The last pause of each collection and each source, as the facts say.
SELECT * FROM ({last_pauses}) AS last

-- name: expected_resets
-- The last reset of each collection, as the facts say. Those of earlier releases are no facts.
SELECT * FROM ({last_resets}) AS last

-- name: all_pauses
-- The rows of all pauses.
SELECT * FROM syncline.pauses

-- name: all_resets
-- The rows of resets that are facts.
SELECT * FROM syncline.resets WHERE fact IS NOT NULL

-- name: rebuild_pauses
-- Makes the rows of pauses those of the facts.
WITH last AS MATERIALIZED ({last_pauses}), gone AS (
  DELETE FROM syncline.pauses p WHERE NOT EXISTS (
    SELECT FROM last l WHERE l.source = p.source AND l.collection = p.collection
  )
)
INSERT INTO syncline.pauses (source, collection, since, ends_at, changed_at, who, note, fact, xid)
SELECT source, collection, since, ends_at, changed_at, who, note, fact, xid FROM last
ON CONFLICT (source, collection) DO UPDATE
SET since = excluded.since, ends_at = excluded.ends_at, changed_at = excluded.changed_at, who = excluded.who,
    note = excluded.note, fact = excluded.fact, xid = excluded.xid

-- name: rebuild_resets
-- Makes the rows of resets those of the facts. One that is no fact stays unless there is a newer one.
WITH last AS MATERIALIZED ({last_resets}), gone AS (
  DELETE FROM syncline.resets r WHERE r.fact IS NOT NULL AND NOT EXISTS (
    SELECT FROM last l WHERE l.source = r.source AND l.collection = r.collection
  )
)
INSERT INTO syncline.resets (source, collection, generation, reset_at, fact, xid)
SELECT source, collection, generation, reset_at, fact, xid FROM last
ON CONFLICT (source, collection) DO UPDATE
SET generation = excluded.generation, reset_at = excluded.reset_at, fact = excluded.fact, xid = excluded.xid
