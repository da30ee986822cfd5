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
