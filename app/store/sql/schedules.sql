-- name: now
-- The clock that decides.
SELECT syncline.clock()

-- name: all_schedules
-- Every schedule, ended ones too.
SELECT source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, last_fire_at, active
FROM syncline.schedules

-- name: digest_of_schedules
-- One number for all of the above but the times, whatever the order of the rows.
SELECT coalesce(sum(hash_record_extended(
  (source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, active), 0
)), 0)
FROM syncline.schedules

-- name: put_schedules
-- Adds schedules and changes those that differ. A new, changed or re-added one begins at its next fire time: the past
-- never fires. One that is unchanged keeps its place, so that what a downtime missed is caught up.
INSERT INTO syncline.schedules AS s
  (source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, next_fire_at, active, updated_at)
SELECT w.*, true, syncline.clock()
FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::interval[], $9::timestamptz[])
  AS w (source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, next_fire_at)
ORDER BY source, collection
ON CONFLICT (source, collection) DO UPDATE
SET source_type = excluded.source_type, max_attempts = excluded.max_attempts, misfire = excluded.misfire,
    misfire_window = excluded.misfire_window, expression = excluded.expression, timezone = excluded.timezone,
    active = true, updated_at = excluded.updated_at,
    next_fire_at = CASE WHEN s.active AND s.expression = excluded.expression AND s.timezone = excluded.timezone
                        THEN s.next_fire_at ELSE excluded.next_fire_at END

-- name: end_schedules
-- Schedules that the configuration names no more.
-- Locked in the order in which others put them.
WITH gone AS MATERIALIZED (
  SELECT s.source, s.collection FROM syncline.schedules s
  WHERE s.active AND (s.source, s.collection) IN (SELECT * FROM unnest($1::text[], $2::text[]))
  ORDER BY s.source, s.collection
  FOR NO KEY UPDATE
)
UPDATE syncline.schedules s SET active = false, next_fire_at = NULL, updated_at = syncline.clock()
FROM gone WHERE s.source = gone.source AND s.collection = gone.collection

-- name: seconds_until_next
-- How long until the next schedule is due; those that wait for their collection's active task do not count.
SELECT extract(epoch FROM s.next_fire_at - syncline.clock())::float8
FROM syncline.schedules s
WHERE s.active AND s.next_fire_at IS NOT NULL AND (
  SELECT q.backfill IS NOT NULL OR (s.misfire = 'all' AND s.next_fire_at < (SELECT syncline.clock()) - $1::interval)
  FROM syncline.task_queue q WHERE q.source = s.source AND q.collection = s.collection
) IS NOT TRUE
ORDER BY s.next_fire_at
LIMIT 1

-- name: due_schedules
-- Locks up to 1,000 due schedules, those due longest first; other replicas' are skipped, and so are those that wait for
-- their collection's active task to end: misfires (later than $1) under the policy `all` start one after the other, and
-- whatever the policy, a backfill is waited for.
SELECT s.source, s.collection, s.source_type, s.max_attempts, s.expression, s.timezone, s.misfire, s.misfire_window,
       s.next_fire_at, syncline.clock() AS now
FROM syncline.schedules s
WHERE s.active AND s.next_fire_at <= (SELECT syncline.clock()) AND (
  SELECT q.backfill IS NOT NULL OR (s.misfire = 'all' AND s.next_fire_at < (SELECT syncline.clock()) - $1::interval)
  FROM syncline.task_queue q WHERE q.source = s.source AND q.collection = s.collection
) IS NOT TRUE
ORDER BY s.next_fire_at
LIMIT 1000
FOR NO KEY UPDATE OF s SKIP LOCKED

-- name: busy_collections
-- Which collections have an active task. A statement of its own: the one that locks the schedules may have waited, and
-- would see the queue as it was before.
-- The scalar subquery is a look-up for each pair; a join could walk through the whole queue.
SELECT c.source, c.collection
FROM unnest($1::text[], $2::text[]) AS c (source, collection)
WHERE (SELECT true FROM syncline.task_queue q WHERE q.source = c.source AND q.collection = c.collection)

-- name: undecided_fire_times
-- Of the given fire times those that the ledger does not hold yet: none is decided twice, whatever the clock did.
-- A scalar subquery for the reason above.
SELECT place::integer
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS d (source, collection, fire_time, place)
WHERE (
  SELECT true FROM syncline.fire_times f
  WHERE f.source = d.source AND f.collection = d.collection AND f.fire_time = d.fire_time
) IS NULL

-- name: record_fire_times
-- Writes outcomes into the ledger; worker $1 has decided them.
INSERT INTO syncline.fire_times (worker, source, collection, fire_time, outcome, misfire, reason, task, decided_at)
SELECT $1, source, collection, fire_time, outcome, misfire, reason, task, syncline.clock()
FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::uuid[])
  AS d (source, collection, fire_time, outcome, misfire, reason, task)

-- name: advance_schedules
-- Moves schedules to the first fire time that is not decided yet.
UPDATE syncline.schedules s SET next_fire_at = a.next_fire_at, last_fire_at = coalesce(a.last_fire_at, s.last_fire_at)
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS a (source, collection, next_fire_at, last_fire_at)
WHERE s.source = a.source AND s.collection = a.collection
