-- Projections: the streams of events they are folded from, their checkpoints, and the rows that a rebuild puts right.

-- name: plan_streams
-- Streams are read in the order of an index, whatever the planner thinks of it; behind a pooler nobody else has told it.
SELECT set_config(setting, 'off', true)
FROM unnest(ARRAY['enable_bitmapscan', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS s (setting)

-- name: plan_sets
-- From here to the end of the transaction whole sets of rows are compared: as the planner likes.
SELECT set_config(setting, 'on', true)
FROM unnest(ARRAY['enable_bitmapscan', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin']) AS s (setting)

-- name: stream_batch
-- Whole streams after task $1, in the order of their tasks: about $2 events. Bookmarks may be large, and no fold needs them.
SELECT task, version, type, v, at, status, attempt, worker, data - 'bookmark' AS data, xid
FROM (
  SELECT * FROM syncline.events WHERE task > $1 ORDER BY task FETCH FIRST ($2::bigint) ROWS WITH TIES
) AS whole
ORDER BY task, version

-- name: streams_of
-- The streams of the given tasks. Joined, for each task is then looked for in its own partition only.
SELECT task, version, type, v, at, status, attempt, worker, data - 'bookmark' AS data, xid
FROM (SELECT DISTINCT unnest($1::uuid[]) AS task) AS wanted JOIN syncline.events USING (task)
ORDER BY task, version

-- name: horizon
-- All transactions below this id have ended: whatever one of them appended is visible, or never will be.
SELECT pg_snapshot_xmin(pg_current_snapshot())

-- name: touched_since
-- Tasks with events of transaction $1 or later.
SELECT DISTINCT task FROM syncline.events WHERE xid >= $1

-- name: highest_xid
-- The newest transaction id in the events, and the server's own.
SELECT (SELECT xid FROM syncline.events ORDER BY xid DESC LIMIT 1) AS stored, pg_snapshot_xmax(pg_current_snapshot()) AS own

-- name: behind
-- The live generation of projection $1, if there are events for it: a look that writes nothing.
SELECT c.generation FROM syncline.checkpoints c
WHERE c.projection = $1 AND c.state = 'live' AND EXISTS (
  SELECT FROM syncline.events e WHERE e.xid > c.xid AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
)

-- name: take_checkpoint
-- The checkpoint of generation $2 of projection $1, locked; nothing while another replica holds it.
SELECT xid FROM syncline.checkpoints WHERE projection = $1 AND generation = $2 FOR UPDATE SKIP LOCKED

-- name: hold_checkpoint
-- The checkpoint of generation $2 of projection $1, locked, whoever has to be waited for.
SELECT xid FROM syncline.checkpoints WHERE projection = $1 AND generation = $2 FOR UPDATE

-- name: share_checkpoint
-- The checkpoint of generation $2 of projection $1, kept from being given up by another rebuild.
SELECT xid FROM syncline.checkpoints WHERE projection = $1 AND generation = $2 FOR SHARE

-- name: live_checkpoint
-- What reports read of projection $1, and up to which transaction.
SELECT generation, xid FROM syncline.checkpoints WHERE projection = $1 AND state = 'live'

-- name: next_transactions
-- The last transaction of the next whole transactions after $1, and how many events they hold: about $2, or all.
--
-- The line with pg_snapshot_xmin is the vital one. A transaction takes its id before it commits, so a lower id can become
-- visible after a higher one was read, and a reader that goes on from the highest id it saw loses those events for good.
-- Below the oldest transaction still under way nothing can appear any more.
SELECT xid, count(*) OVER () AS events
FROM (
  SELECT xid FROM syncline.events
  WHERE xid > $1
    AND xid < pg_snapshot_xmin(pg_current_snapshot())
  ORDER BY xid FETCH FIRST ($2::bigint) ROWS WITH TIES
) AS whole
ORDER BY xid DESC
LIMIT 1

-- name: streams_that_ended
-- The streams that ended in the transactions after $1 up to $2. Their last event is the terminal one ($3 lists the types).
SELECT task, version, type, v, at, status, attempt, worker, data - 'bookmark' AS data, xid
FROM syncline.events
WHERE task IN (SELECT task FROM syncline.events WHERE xid > $1 AND xid <= $2 AND type = ANY ($3::text[]))
ORDER BY task, version

-- name: move_checkpoint
-- Generation $2 of projection $1 has seen all up to transaction $3.
UPDATE syncline.checkpoints SET xid = $3, updated_at = syncline.clock() WHERE projection = $1 AND generation = $2

-- name: hold_checkpoints
-- All checkpoints of projection $1, locked.
SELECT FROM syncline.checkpoints WHERE projection = $1 FOR UPDATE

-- name: begin_generation
-- A new generation of projection $1, to be built from the first event; its number was never used before. What another
-- rebuild was building ends here.
WITH given_up AS (
  DELETE FROM syncline.checkpoints WHERE projection = $1 AND state = 'building'
)
INSERT INTO syncline.checkpoints (projection, generation, state, xid, updated_at)
SELECT $1, 1 + coalesce(max(generation), 0), 'building', '0', syncline.clock() FROM syncline.checkpoints WHERE projection = $1
RETURNING generation

-- name: end_live_generation
-- Reports read no generation of projection $1 until the next one goes live, in the same transaction.
DELETE FROM syncline.checkpoints WHERE projection = $1 AND state = 'live'

-- name: go_live
-- Reports read generation $2 of projection $1 from now on.
UPDATE syncline.checkpoints SET state = 'live', updated_at = syncline.clock() WHERE projection = $1 AND generation = $2

-- name: hold_events
-- Until the end of the transaction no partition of the events is retired. A lock is no snapshot: the transaction that
-- begins with it reads what is there once it has it.
LOCK TABLE syncline.events IN ACCESS SHARE MODE

-- name: retention
-- How often tasks were retired; the day before which statistics are final, for events of earlier days may be gone.
SELECT rounds, sealed_before FROM syncline.retention

-- name: retired_failures
-- The failures without events that collections still count, as long as the last success is this one.
SELECT source, collection, success, failures FROM syncline.retired_failures

-- name: stop_the_queue
-- Until the end of the transaction no event is appended. A table's lock, not the heads' row locks: a statement that waits
-- for a row goes on with the snapshot from before, and would not see rows that were put back meanwhile; one that waits
-- for the table takes its snapshot after.
LOCK TABLE syncline.task_queue IN SHARE ROW EXCLUSIVE MODE

-- name: drop_wrong_tasks
-- Rows of the given tasks that differ from what they ought to be.
DELETE FROM syncline.tasks t USING jsonb_populate_recordset(NULL::syncline.tasks, $1) w
WHERE t.task = w.task AND t IS DISTINCT FROM w

-- name: add_missing_tasks
-- Rows of the given tasks that are not there.
INSERT INTO syncline.tasks SELECT * FROM jsonb_populate_recordset(NULL::syncline.tasks, $1) ON CONFLICT DO NOTHING

-- name: count_tasks
-- How long the list is.
SELECT count(*) FROM syncline.tasks

-- name: drop_wrong_task_queue
-- Rows of the queue that ought not to be there, or differ.
DELETE FROM syncline.task_queue t WHERE NOT EXISTS (
  SELECT FROM jsonb_populate_recordset(NULL::syncline.task_queue, $1) w
  WHERE w.source = t.source AND w.collection = t.collection AND w IS NOT DISTINCT FROM t
)

-- name: add_missing_task_queue
-- Rows of the queue that are not there.
INSERT INTO syncline.task_queue
SELECT * FROM jsonb_populate_recordset(NULL::syncline.task_queue, $1) ON CONFLICT DO NOTHING

-- name: cancel_displaced
-- Cancels active tasks that no row of the queue can stand for, because their collection has another one: the queue had
-- lost their row when that one was asked for. Runs while the queue stands still.
WITH displaced AS (
  SELECT DISTINCT ON (task) task, version + 1 AS version, attempt, syncline.clock() AS at, $2::text AS error
  FROM syncline.events WHERE task = ANY ($1::uuid[])
  ORDER BY task, version DESC
), listed AS (
  UPDATE syncline.tasks t SET status = 'CANCELED', error = d.error, finished_at = d.at, version = d.version
  FROM displaced d WHERE t.task = d.task
), told AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT d.task, d.attempt,
         1 + coalesce((SELECT max(line) FROM syncline.log_events l WHERE l.task = d.task AND l.attempt = d.attempt), 0),
         d.at, 'warn', '[' || (s.data ->> 'source') || '_' || (s.data ->> 'collection') || '_' || d.task || '] CANCELED: ' || d.error
  FROM displaced d JOIN syncline.events s ON s.task = d.task AND s.version = 1
)
INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
SELECT task, version, 'TaskCanceled', at, 'CANCELED', attempt, jsonb_build_object('error', error) FROM displaced

-- name: drop_wrong_collection_status
-- Rows of collections that ought not to be there, or differ.
DELETE FROM syncline.collection_status t WHERE NOT EXISTS (
  SELECT FROM jsonb_populate_recordset(NULL::syncline.collection_status, $1) w
  WHERE w.source = t.source AND w.collection = t.collection AND w IS NOT DISTINCT FROM t
)

-- name: add_missing_collection_status
-- Rows of collections that are not there.
INSERT INTO syncline.collection_status
SELECT * FROM jsonb_populate_recordset(NULL::syncline.collection_status, $1) ON CONFLICT DO NOTHING

-- name: expected_bookmarks
-- The bookmarks that the given events (task, version) saved, but not the void ones: an attempt starts only from those of
-- the collection's own generation, not of an older one, nor of a newer one that a restore has forgotten.
SELECT s.data ->> 'source' AS source, s.data ->> 'collection' AS collection, e.data ->> 'destination' AS destination,
       nullif(e.data -> 'bookmark', 'null') AS bookmark, (e.data ->> 'generation')::bigint AS generation, e.task, e.attempt,
       e.at AS saved_at
FROM unnest($1::uuid[], $2::integer[]) AS saved (task, version)
JOIN syncline.events e USING (task, version)
JOIN syncline.events s ON s.task = e.task AND s.version = 1
LEFT JOIN syncline.resets r ON r.source = s.data ->> 'source' AND r.collection = s.data ->> 'collection'
WHERE (e.data ->> 'generation')::bigint = coalesce(r.generation, 0)

-- name: drop_bookmarks
-- Forgets all bookmarks; they are put back in the same transaction.
DELETE FROM syncline.bookmarks

-- name: found_bookmarks
-- The bookmarks that are there, but not the void ones: an attempt from before a reset may still have saved one.
SELECT b.* FROM syncline.bookmarks b
LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
WHERE b.generation = coalesce(r.generation, 0)

-- name: tasks_between
-- Rows of the list after task $1 up to task $2, or to the end.
SELECT * FROM syncline.tasks WHERE task > $1 AND ($2::uuid IS NULL OR task <= $2)

-- name: all_task_queue
-- The queue.
SELECT * FROM syncline.task_queue

-- name: all_collection_status
-- The status of every collection.
SELECT * FROM syncline.collection_status
