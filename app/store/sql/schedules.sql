-- name: now
-- The database's clock, which decides what is due.
SELECT syncline.clock()

-- name: all_schedules
-- All schedules, including ended ones.
SELECT source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, pool, delay, last_fire_at,
       active, missing_since
FROM syncline.schedules

-- name: digest_of_schedules
-- One number for all definitions, whether they are active and since when they are missing, independent of the order of the
-- rows.
SELECT coalesce(sum(hash_record_extended(
  (source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, pool, delay, active,
   missing_since), 0
)), 0)
FROM syncline.schedules

-- name: put_schedules
-- Adds schedules and updates those that differ. A new, changed or re-added schedule starts with its next fire time, so
-- that nothing in the past fires. An unchanged one keeps its next fire time, so that those missed in a downtime are
-- caught up. `next_fire_at` has the delay of the schedule in it: it is when the next task starts.
INSERT INTO syncline.schedules AS s
  (source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, pool, delay, next_fire_at,
   active, updated_at)
SELECT w.*, true, syncline.clock()
FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::interval[], $9::text[],
            $10::interval[], $11::timestamptz[])
  AS w (source, collection, source_type, max_attempts, expression, timezone, misfire, misfire_window, pool, delay, next_fire_at)
ORDER BY source, collection
ON CONFLICT (source, collection) DO UPDATE
SET source_type = excluded.source_type, max_attempts = excluded.max_attempts, misfire = excluded.misfire,
    misfire_window = excluded.misfire_window, pool = excluded.pool, expression = excluded.expression,
    timezone = excluded.timezone, delay = excluded.delay, active = true, missing_since = NULL, updated_at = excluded.updated_at,
    next_fire_at = CASE WHEN s.active AND s.expression = excluded.expression AND s.timezone = excluded.timezone
                         AND s.delay = excluded.delay
                        THEN s.next_fire_at ELSE excluded.next_fire_at END

-- name: end_schedules
-- Ends schedules that the catalogue no longer has. Locks them in the same order as other statements.
WITH gone AS MATERIALIZED (
  SELECT s.source, s.collection FROM syncline.schedules s
  WHERE s.active AND (s.source, s.collection) IN (SELECT * FROM unnest($1::text[], $2::text[]))
  ORDER BY s.source, s.collection
  FOR NO KEY UPDATE
)
UPDATE syncline.schedules s SET active = false, next_fire_at = NULL, missing_since = NULL, updated_at = syncline.clock()
FROM gone WHERE s.source = gone.source AND s.collection = gone.collection

-- name: end_missing_schedules
-- Ends those of these schedules that are missing for $3 now. A fire time that is due gets its outcome first, unless it waits
-- for the collection's active task: those may be many, and each would only start a task that fails.
WITH gone AS MATERIALIZED (
  SELECT s.source, s.collection FROM syncline.schedules s
  WHERE s.active AND (s.source, s.collection) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND s.missing_since <= (SELECT syncline.clock()) - $3::interval
    AND ((s.next_fire_at > (SELECT syncline.clock())) IS NOT FALSE OR EXISTS (
      SELECT FROM syncline.collections c
      WHERE c.source = s.source AND c.collection = s.collection AND c.status IN ('SCHEDULED', 'RUNNING')
    ))
  ORDER BY s.source, s.collection
  FOR NO KEY UPDATE
)
UPDATE syncline.schedules s SET active = false, next_fire_at = NULL, missing_since = NULL, updated_at = syncline.clock()
FROM gone WHERE s.source = gone.source AND s.collection = gone.collection
RETURNING s.source, s.collection

-- name: mark_schedules
-- Notes since when schedules are missing, or that they are not. They fire as before.
WITH marked AS MATERIALIZED (
  SELECT s.source, s.collection, m.missing FROM syncline.schedules s
  JOIN unnest($1::text[], $2::text[], $3::boolean[]) AS m (source, collection, missing) USING (source, collection)
  WHERE s.active AND m.missing = (s.missing_since IS NULL)
  ORDER BY s.source, s.collection
  FOR NO KEY UPDATE OF s
)
UPDATE syncline.schedules s SET missing_since = CASE WHEN marked.missing THEN syncline.clock() END
FROM marked WHERE s.source = marked.source AND s.collection = marked.collection

-- name: seconds_until_next
-- Seconds until the next schedule is due, ignoring those that wait for their collection's active task; null if there is none.
-- And whether one of those waits, or will within $2: the first of all is an earlier one.
SELECT extract(epoch FROM next.fire_at - now.at)::float8 AS seconds,
       coalesce(first.fire_at < now.at + $2::interval AND first.fire_at IS DISTINCT FROM next.fire_at, false) AS waits
FROM (SELECT syncline.clock() AS at) AS now, LATERAL (
  SELECT min(next_fire_at) AS fire_at FROM syncline.schedules WHERE active
) AS first, LATERAL (
  SELECT (
    SELECT s.next_fire_at
    FROM syncline.schedules s
    WHERE s.active AND s.next_fire_at IS NOT NULL AND (
      SELECT c.backfill IS NOT NULL OR (s.misfire = 'all' AND s.next_fire_at < now.at - $1::interval)
      FROM syncline.collections c
      WHERE c.source = s.source AND c.collection = s.collection AND c.status IN ('SCHEDULED', 'RUNNING') AND NOT {is_paused}
    ) IS NOT TRUE
    ORDER BY s.next_fire_at
    LIMIT 1
  ) AS fire_at
) AS next

-- name: due_schedules
-- Locks up to 1,000 due schedules, longest due first. Skips those that another replica has locked, and those that wait
-- for their collection's active task: under the policy `all` misfires (later than $1) run one after the other, and under
-- any policy a backfill runs first. While the collection is paused none waits, because none would start a task.
-- The pauses of the collection and of its source end a second after now if they go on.
SELECT s.source, s.collection, s.source_type, s.max_attempts, s.expression, s.timezone, s.misfire, s.misfire_window, s.pool, s.delay,
       s.next_fire_at AS next_start_at, now.at AS now,
       ARRAY(SELECT p.since FROM syncline.pauses p WHERE {of_collection} ORDER BY p.collection) AS paused_from,
       ARRAY(SELECT least(p.ends_at, now.at + interval '1 s') FROM syncline.pauses p WHERE {of_collection} ORDER BY p.collection)
         AS paused_to
FROM syncline.schedules s CROSS JOIN (SELECT syncline.clock() AS at) AS now
WHERE s.active AND s.next_fire_at <= (SELECT syncline.clock()) AND (
  SELECT c.backfill IS NOT NULL OR (s.misfire = 'all' AND s.next_fire_at < (SELECT syncline.clock()) - $1::interval)
  FROM syncline.collections c
  WHERE c.source = s.source AND c.collection = s.collection AND c.status IN ('SCHEDULED', 'RUNNING') AND NOT {is_paused}
) IS NOT TRUE
ORDER BY s.next_fire_at
LIMIT 1000
FOR NO KEY UPDATE OF s SKIP LOCKED

-- name: busy_collections
-- The collections with an active task. A separate statement: the one that locks the schedules may have waited, and would
-- see an old state of the queue. The scalar subquery is an index look-up for each pair; a join might scan the whole
-- queue.
SELECT w.source, w.collection
FROM unnest($1::text[], $2::text[]) AS w (source, collection)
WHERE (SELECT c.status IN ('SCHEDULED', 'RUNNING') FROM syncline.collections c WHERE c.source = w.source AND c.collection = w.collection)

-- name: undecided_fire_times
-- The ordinals of those fire times that are not in the ledger yet: none is decided twice, even if the clock was set back.
-- A scalar subquery for the same reason as above.
SELECT ordinal::integer
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS d (source, collection, fire_time, ordinal)
WHERE (
  SELECT true FROM syncline.fire_times f
  WHERE f.source = d.source AND f.collection = d.collection AND f.fire_time = d.fire_time
) IS NULL

-- name: record_fire_times
-- Records the outcomes that worker $1 has decided in the ledger.
INSERT INTO syncline.fire_times (worker, source, collection, fire_time, outcome, misfire, reason, task, decided_at)
SELECT $1, source, collection, fire_time, outcome, misfire, reason, task, syncline.clock()
FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::uuid[])
  AS d (source, collection, fire_time, outcome, misfire, reason, task)

-- name: advance_schedules
-- Moves schedules to their first undecided fire time, plus their delay.
UPDATE syncline.schedules s SET next_fire_at = a.next_start_at, last_fire_at = coalesce(a.last_fire_at, s.last_fire_at)
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) AS a (source, collection, next_start_at, last_fire_at)
WHERE s.source = a.source AND s.collection = a.collection
