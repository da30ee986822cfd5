-- What is too old to be kept. The functions belong to the tables' owner and hold the rules.

-- name: retire_tasks
-- Retires a run of partitions of tasks that ended longer than $1 ago; whether there was one.
SELECT syncline.retire_tasks($1::interval)

-- name: retire_logs
-- Retires a run of partitions of log lines: all but those of the last $1 tasks of each collection, $2 as above.
SELECT syncline.retire_logs($1::integer, $2::interval)

-- name: retire_stats
-- Forgets the totals of final days that are more than $1 ago.
DELETE FROM syncline.daily_collection_stats
WHERE day < (SELECT least(sealed_before, (syncline.clock() - $1::interval)::date) FROM syncline.retention WHERE sealed_before IS NOT NULL)

-- name: retire_histogram
-- Forgets their histograms.
DELETE FROM syncline.daily_collection_histogram
WHERE day < (SELECT least(sealed_before, (syncline.clock() - $1::interval)::date) FROM syncline.retention WHERE sealed_before IS NOT NULL)

-- name: retire_fire_times
-- Retires the partitions of fire times older than $1; whether there were any.
SELECT syncline.retire_fire_times($1::interval)
