-- Deletes old data. The rules are in functions that belong to the owner of the tables.

-- name: retire_tasks
-- Retires the tasks of consecutive partitions that ended more than $1 ago, of weeks $2 only if that is given or an archive is
-- wanted; returns whether there were any.
SELECT syncline.retire_tasks($1::interval, $2::date[])

-- name: want_archive
-- From now on `retire_tasks` keeps what is not archived, whoever calls it.
SELECT syncline.want_archive()

-- name: retire_catalogues
-- Deletes sources of catalogues that were last used more than $1 ago, unless the start of a task still names them. A start is at
-- most a few minutes later than its catalogue was marked as used, so a day more is enough. A task's first event names its source.
DELETE FROM syncline.catalogues
WHERE used_at < syncline.clock() - $1::interval AND ((catalogue, source) IN (
  SELECT e.data ->> 'catalogue', f.data ->> 'source'
  FROM syncline.events e JOIN syncline.events f ON f.task = e.task AND f.version = 1
  WHERE e.type = 'TaskStarted' AND e.data ? 'catalogue'
    AND e.task < (SELECT syncline.uuid7_floor(syncline.clock() - $1::interval + interval '1 day'))
)) IS NOT TRUE

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
