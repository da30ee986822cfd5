-- The daily statistics of collections: totals and histograms for each generation.

-- name: add_daily_stats
-- Adds to the totals of days.
INSERT INTO syncline.daily_collection_stats AS s
SELECT * FROM jsonb_populate_recordset(NULL::syncline.daily_collection_stats, $1)
ON CONFLICT (generation, source, collection, day) DO UPDATE
SET success = s.success + excluded.success, failed = s.failed + excluded.failed, canceled = s.canceled + excluded.canceled,
    rows = s.rows + excluded.rows, duration_microseconds = s.duration_microseconds + excluded.duration_microseconds,
    queue_wait_microseconds = s.queue_wait_microseconds + excluded.queue_wait_microseconds

-- name: add_daily_histogram
-- Adds to the histograms of days.
INSERT INTO syncline.daily_collection_histogram AS h
SELECT * FROM jsonb_populate_recordset(NULL::syncline.daily_collection_histogram, $1)
ON CONFLICT (generation, source, collection, day, measure, bucket) DO UPDATE SET tasks = h.tasks + excluded.tasks

-- name: end_of_collections
-- The last collection (source, collection) of a batch of about $3 ended tasks that starts after collection ($1, $2), or the last
-- one of all; no row if none are left.
(
  SELECT source, collection FROM syncline.tasks WHERE (source, collection) > ($1, $2)
  ORDER BY source, collection OFFSET $3::bigint - 1 LIMIT 1
) UNION ALL (
  SELECT source, collection FROM syncline.tasks WHERE (source, collection) > ($1, $2)
  ORDER BY source DESC, collection DESC LIMIT 1
) LIMIT 1

-- name: count_days
-- Counts for generation $1 the tasks of the collections after ($2, $3) up to ($4, $5) that ended before transaction $6; $7 is
-- the logarithm of the bucket width. The tasks $8 had not ended: if one has a row, the row is wrong.
--
-- Each collection is counted once and its rows are written in the order of their index: that costs much less than adding
-- to rows that another batch may have written.
WITH left_out AS MATERIALIZED (
  SELECT task FROM syncline.events WHERE xid >= $6 UNION ALL SELECT unnest($8::uuid[])
), timed AS MATERIALIZED (
  -- The microseconds of less than 70 years are exact in a double, which is much faster than a numeric.
  SELECT source, collection, status, rows, (finished_at AT TIME ZONE 'UTC')::date AS day,
         greatest(0, round(date_part('epoch', finished_at - started_at) * 1000000)::bigint) AS duration,
         greatest(0, round(date_part('epoch', started_at - created_at) * 1000000)::bigint) AS queue_wait,
         started_at IS NOT NULL AS was_started
  FROM syncline.tasks t
  WHERE (source, collection) > ($2, $3) AND (source, collection) <= ($4, $5)
    AND NOT EXISTS (SELECT FROM left_out l WHERE l.task = t.task)
), totals AS (
  INSERT INTO syncline.daily_collection_stats
    (generation, day, source, collection, success, failed, canceled, rows, duration_microseconds, queue_wait_microseconds)
  SELECT $1, day, source, collection, count(*) FILTER (WHERE status = 'SUCCESS'), count(*) FILTER (WHERE status = 'FAILED'),
         count(*) FILTER (WHERE status = 'CANCELED'), sum(rows), coalesce(sum(duration) FILTER (WHERE was_started), 0),
         coalesce(sum(queue_wait) FILTER (WHERE was_started), 0)
  FROM timed GROUP BY source, collection, day ORDER BY source, collection, day
)
INSERT INTO syncline.daily_collection_histogram (generation, day, source, collection, measure, bucket, tasks)
SELECT $1, day, source, collection, measure, bucket, count(*)
FROM timed CROSS JOIN LATERAL (VALUES ('duration', duration), ('queue_wait', queue_wait)) AS m (measure, microseconds)
CROSS JOIN LATERAL (
  SELECT CASE WHEN microseconds > 0 THEN ceil(ln(microseconds::float8) / $7::float8)::integer ELSE -1 END AS bucket
) AS b
WHERE was_started
GROUP BY source, collection, day, measure, bucket ORDER BY source, collection, day, measure, bucket

-- name: daily_stats_rows
-- The totals of a generation.
SELECT * FROM syncline.daily_collection_stats WHERE generation = $1

-- name: daily_histogram_rows
-- The histograms of a generation.
SELECT * FROM syncline.daily_collection_histogram WHERE generation = $1

-- name: count_daily_stats
-- Counts the rows of totals of a generation.
SELECT count(*) FROM syncline.daily_collection_stats WHERE generation = $1

-- name: sweep_daily_stats
-- Deletes the totals of generations without a checkpoint: replaced ones, and those of a rebuild that did not finish.
DELETE FROM syncline.daily_collection_stats WHERE generation NOT IN (
  SELECT generation FROM syncline.checkpoints WHERE projection = 'daily_collection_stats'
)

-- name: sweep_daily_histogram
-- Deletes the histograms of generations without a checkpoint.
DELETE FROM syncline.daily_collection_histogram WHERE generation NOT IN (
  SELECT generation FROM syncline.checkpoints WHERE projection = 'daily_collection_stats'
)

-- name: drop_sealed_stats
-- Deletes totals of days before $2: some events of these days are gone, so they cannot be counted again.
DELETE FROM syncline.daily_collection_stats WHERE generation = $1 AND day < $2

-- name: drop_sealed_histogram
-- Deletes histograms of days before $2.
DELETE FROM syncline.daily_collection_histogram WHERE generation = $1 AND day < $2

-- name: keep_sealed_stats
-- Copies the totals of days before $3 from generation $2 to generation $1.
INSERT INTO syncline.daily_collection_stats
  (generation, day, source, collection, success, failed, canceled, rows, duration_microseconds, queue_wait_microseconds)
SELECT $1, day, source, collection, success, failed, canceled, rows, duration_microseconds, queue_wait_microseconds
FROM syncline.daily_collection_stats WHERE generation = $2 AND day < $3

-- name: keep_sealed_histogram
-- Copies the histograms of days before $3 from generation $2 to generation $1.
INSERT INTO syncline.daily_collection_histogram (generation, day, source, collection, measure, bucket, tasks)
SELECT $1, day, source, collection, measure, bucket, tasks
FROM syncline.daily_collection_histogram WHERE generation = $2 AND day < $3
