-- The story of a task: its events, its neighbours, and with what it was started.

-- name: story
-- The first $2 and the last $3 events of task $1 up to time $4 and position $5, in order; `left_out` is how many lie between an event and the one before it.
-- Reports of progress are left out, because they are many, and so are bookmarks, because they may have values of the source.
SELECT version, type, at, attempt, worker, data, number - lag(number, 1, 0::bigint) OVER (ORDER BY number) - 1 AS left_out
FROM (
  SELECT version, type, at, attempt, worker, data - 'bookmark' AS data, row_number() OVER (ORDER BY version) AS number,
         count(*) OVER () AS events
  FROM syncline.events WHERE task = $1 AND type <> 'ProgressReported' AND at <= $4 AND xid <= $5
) AS story
WHERE number <= $2 OR number > events - $3
ORDER BY version

-- name: neighbours
-- The tasks of collection ($1, $2) before and after task $4, which was created at $3; null where there was none by $5.
SELECT (
  SELECT task FROM syncline.tasks WHERE source = $1 AND collection = $2 AND (created_at, task) < ($3, $4)
  ORDER BY created_at DESC, task DESC LIMIT 1
) AS before, coalesce((
  SELECT task FROM syncline.tasks WHERE source = $1 AND collection = $2 AND (created_at, task) > ($3, $4) AND created_at <= $5
  ORDER BY created_at, task LIMIT 1
), (
  SELECT task FROM syncline.collections WHERE source = $1 AND collection = $2 AND (created_at, task) > ($3, $4) AND created_at <= $5
)) AS after

-- name: last_success
-- The last task of collection ($1, $2) before task $4, created at $3, that succeeded: among the last $5.
SELECT * FROM (
  SELECT task, attempt, rows, status, created_at, started_at, finished_at FROM syncline.tasks
  WHERE source = $1 AND collection = $2 AND (created_at, task) < ($3, $4)
  ORDER BY created_at DESC, task DESC LIMIT $5
) AS earlier
WHERE status = 'SUCCESS' ORDER BY created_at DESC, task DESC LIMIT 1

-- name: last_start
-- With what the last attempt of task $1 of source $2 was started.
SELECT e.worker, e.data ->> 'release' AS release, c.connector, c.connector_version, c.config_digest, c.digest_key_id
FROM syncline.events e LEFT JOIN syncline.catalogues c ON c.catalogue = e.data ->> 'catalogue' AND c.source = $2
WHERE e.task = $1 AND e.type = 'TaskStarted' ORDER BY e.version DESC LIMIT 1

-- name: facts
-- The newest $3 facts about collection ($1, $2), up to time $4 and position $5. Facts about its source count too; of changes to
-- the catalogue, only those of the source's own keys or of this collection.
SELECT xid, task, type, at, data - 'bookmark' - 'standing' AS data FROM syncline.events
WHERE status IS NULL AND data ->> 'source' = $1 AND at <= $4 AND xid <= $5 AND (
  data ->> 'collection' = $2
  OR data ->> 'collection' IS NULL AND (
    type <> 'CatalogueChanged' OR data ? 'keys' OR data ->> 'change' <> 'changed' OR data #> '{collections,added}' ? $2
    OR data #> '{collections,removed}' ? $2 OR data #> '{collections,changed}' ? $2
  )
)
ORDER BY xid DESC, task DESC LIMIT $3

-- name: schema_changes_between
-- How the columns of the tables of collection ($1, $2) have changed after $3, up to $4; oldest first.
SELECT destination, table_name, changes, changed_at FROM syncline.table_schemas
WHERE source = $1 AND collection = $2 AND changed_at > $3 AND changed_at <= $4 AND revision > 1
ORDER BY changed_at, destination, table_name
