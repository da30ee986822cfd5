-- The newest tasks, of many collections together: those that have ended, and the active ones, which are heads of collections.
-- They are taken of both by themselves, because only then the ended ones are read in the order of an index.

-- name: newest_of_all
-- The newest $3 tasks that were created since $1, before task $2; with one of the statuses $4, and of collections of
-- the name $5, unless these are null.
SELECT * FROM (
  (
    SELECT {columns_of_ended} FROM syncline.tasks
    WHERE task >= {first_id} AND created_at >= $1 AND task < $2 AND ($4::text[] IS NULL OR status = ANY ($4))
      AND ($5::text IS NULL OR collection = $5)
    ORDER BY task DESC LIMIT $3
  )
  UNION ALL
  (
    SELECT {columns_of_active} FROM {active_heads}
    WHERE created_at >= $1 AND task < $2 AND ($4::text[] IS NULL OR status = ANY ($4))
      AND ($5::text IS NULL OR collection = $5)
    ORDER BY task DESC LIMIT $3
  )
) AS newest
ORDER BY task DESC LIMIT $3

-- name: newest_without_success
-- The same without those that succeeded; of source $5 and collection $6, unless they are null. They have an index of their own,
-- for they are few: read in the order of all tasks, they might be looked for among a million.
SELECT * FROM (
  (
    SELECT {columns_of_ended} FROM syncline.tasks
    WHERE status <> 'SUCCESS' AND task >= {first_id} AND created_at >= $1 AND task < $2 AND status = ANY ($4::text[])
      AND ($5::text IS NULL OR source = $5) AND ($6::text IS NULL OR collection = $6)
    ORDER BY task DESC LIMIT $3
  )
  UNION ALL
  (
    SELECT {columns_of_active} FROM {active_heads}
    WHERE created_at >= $1 AND task < $2 AND status = ANY ($4)
      AND ($5::text IS NULL OR source = $5) AND ($6::text IS NULL OR collection = $6)
    ORDER BY task DESC LIMIT $3
  )
) AS newest
ORDER BY task DESC LIMIT $3

-- name: newest_failed
-- The newest $4 tasks that were created since $1 and had failed by $2; their ids are below $3. The first condition is that of
-- the index.
SELECT {columns_of_ended} FROM syncline.tasks
WHERE status <> 'SUCCESS' AND status = 'FAILED' AND task >= {first_id} AND created_at >= $1 AND task < $3 AND finished_at <= $2
ORDER BY task DESC LIMIT $4

-- name: newest_active
-- The same of tasks that wait or run alone.
SELECT {columns_of_active} FROM {active_heads}
WHERE created_at >= $1 AND task < $2 AND status = ANY ($4)
  AND ($5::text IS NULL OR source = $5) AND ($6::text IS NULL OR collection = $6)
ORDER BY task DESC LIMIT $3

-- name: newest_of_source
-- The newest $3 tasks of source $6 that were created since $1, and before task $2, which was created at $5; with one of the
-- statuses $4, unless that is null.
SELECT * FROM (
  (
    SELECT {columns_of_ended} FROM syncline.tasks
    WHERE source = $6 AND version > 0 AND task >= {first_id} AND created_at >= $1 AND (created_at, task) < ($5, $2)
      AND ($4::text[] IS NULL OR status = ANY ($4))
    ORDER BY created_at DESC, task DESC LIMIT $3
  )
  UNION ALL
  (
    SELECT {columns_of_active} FROM syncline.collections
    WHERE source = $6 AND status IN ('SCHEDULED', 'RUNNING') AND created_at >= $1 AND (created_at, task) < ($5, $2)
      AND ($4::text[] IS NULL OR status = ANY ($4))
    ORDER BY created_at DESC, task DESC LIMIT $3
  )
) AS newest
ORDER BY created_at DESC, task DESC LIMIT $3

-- name: newest_of_collection
-- The same of collection $7 of the source.
SELECT * FROM (
  (
    SELECT {columns_of_ended} FROM syncline.tasks
    WHERE source = $6 AND collection = $7 AND task >= {first_id} AND created_at >= $1 AND (created_at, task) < ($5, $2)
      AND ($4::text[] IS NULL OR status = ANY ($4))
    ORDER BY created_at DESC, task DESC LIMIT $3
  )
  UNION ALL
  SELECT {columns_of_active} FROM syncline.collections
  WHERE source = $6 AND collection = $7 AND status IN ('SCHEDULED', 'RUNNING') AND created_at >= $1
    AND (created_at, task) < ($5, $2) AND ($4::text[] IS NULL OR status = ANY ($4))
) AS newest
ORDER BY created_at DESC, task DESC LIMIT $3

-- name: last_runs
-- Of each of the collections ($1, $2) the last $3 tasks that had ended by $5, newest first; of those since $4.
SELECT d.source, d.collection, r.status, r.rows
FROM unnest($1::text[], $2::text[]) AS d (source, collection)
CROSS JOIN LATERAL (
  SELECT t.status, t.rows, t.created_at, t.task FROM syncline.tasks t
  WHERE t.source = d.source AND t.collection = d.collection
    AND t.task >= syncline.uuid7_floor(greatest($4, timestamptz '1970-01-01 00:00:00Z'))
    AND t.finished_at <= $5
  ORDER BY t.created_at DESC, t.task DESC LIMIT $3
) AS r
ORDER BY d.source, d.collection, r.created_at DESC, r.task DESC
