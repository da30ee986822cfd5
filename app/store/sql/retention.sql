-- Deletes old data. The rules are in functions that belong to the owner of the tables.

-- name: retire_tasks
-- Retires the tasks of consecutive partitions that ended more than $1 ago; returns whether there were any.
SELECT syncline.retire_tasks($1::interval)

-- name: retire_logs
-- Removes log lines of retired tasks, and of all but the last $1 tasks of each collection (null keeps them); merges
-- partitions older than $2. Returns whether it did something.
SELECT syncline.retire_logs($1::integer, $2::interval)

-- name: retire_stats
-- Deletes the totals of final days that are older than $1.
DELETE FROM syncline.daily_collection_stats
WHERE day < (SELECT least(sealed_before, (syncline.clock() - $1::interval)::date) FROM syncline.retention WHERE sealed_before IS NOT NULL)

-- name: retire_histogram
-- Deletes the histograms of final days that are older than $1.
DELETE FROM syncline.daily_collection_histogram
WHERE day < (SELECT least(sealed_before, (syncline.clock() - $1::interval)::date) FROM syncline.retention WHERE sealed_before IS NOT NULL)

-- name: retire_fire_times
-- Retires partitions of fire times older than $1; returns whether there were any.
SELECT syncline.retire_fire_times($1::interval)
