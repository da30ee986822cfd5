-- What a running attempt appends to the stream of its task. As in `queue.sql`: lock the head, move it, append the event. What
-- may be sent again names the version that it found, so that it stands once.

-- name: bookmark_head
-- The version of a stream that worker $1 may append to, and whether it already has commit $6 of the attempt. The subquery
-- uses $4 and not the column of the head, so that other partitions are excluded before planning.
SELECT c.version, EXISTS (
  SELECT FROM syncline.events e
  WHERE e.task = $4 AND e.attempt = c.attempt AND e.type = 'BookmarkSaved' AND (e.data->>'commit')::integer = $6
) AS saved
FROM syncline.collections c
WHERE {own}

-- name: save_bookmark
-- Saves commit $10 of the attempt: destination $6 has $7 rows up to bookmark $8 of generation $9, for standing $12. No row
-- if the lease has expired, or if the stream is no longer at version $11: it may already have this commit, if the answer
-- to an earlier try was lost. A bookmark of an older generation is void, and replaces none.
WITH {fence}, moved AS (
  UPDATE syncline.collections c
  SET version = c.version + 1, rows = c.rows + $7::bigint, changed_at = greatest(f.at, c.changed_at), xid = syncline.position()
  FROM fence f
  WHERE {own}
    AND c.version = $11 AND c.xid <= syncline.position()
  RETURNING c.source, c.collection, c.task, c.attempt, c.version, c.changed_at AS at
), saved AS (
  INSERT INTO syncline.bookmarks AS b (source, collection, destination, bookmark, generation, task, attempt, saved_at)
  SELECT source, collection, $6::text, $8::jsonb, $9::bigint, task, attempt, at FROM moved m
  WHERE $9::bigint = coalesce((SELECT generation FROM syncline.resets r WHERE r.source = m.source AND r.collection = m.collection), 0)
  ON CONFLICT (source, collection, destination) DO UPDATE
  SET bookmark = excluded.bookmark, generation = excluded.generation, task = excluded.task, attempt = excluded.attempt,
      saved_at = excluded.saved_at
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'BookmarkSaved', at, 'RUNNING', attempt, $1,
         jsonb_build_object('destination', $6::text, 'rows', $7::bigint, 'bookmark', $8::jsonb, 'generation', $9::bigint,
                            'commit', $10::integer, 'standing', $12::text)
  FROM moved
)
SELECT version FROM moved

-- name: saved_bookmarks
-- The last bookmark of generation $3 for each destination of a collection, NULL if its source leaves none, and what it
-- stands for. Only the event that saved it says that: in a column, workers of earlier releases would leave a wrong one.
SELECT b.destination, b.bookmark, (
  SELECT CASE e.type WHEN 'BookmarkSet' THEN e.data -> 'standing' ->> b.destination ELSE e.data ->> 'standing' END
  FROM syncline.events e
  WHERE e.task = b.task AND (e.type = 'BookmarkSet' OR e.type = 'BookmarkSaved' AND e.data ->> 'destination' = b.destination)
  ORDER BY e.version DESC LIMIT 1
) AS standing
FROM syncline.bookmarks b
WHERE b.source = $1 AND b.collection = $2 AND b.generation = $3

-- name: known_schemas
-- The newest revision of each table that a collection has loaded.
SELECT DISTINCT ON (destination, table_name) destination, table_name, revision, columns
FROM syncline.table_schemas WHERE source = $1 AND collection = $2
ORDER BY destination, table_name, revision DESC

-- name: schema_head
-- The version of a stream that worker $1 may append to, and whether the table already has revision $8.
SELECT c.version, EXISTS (
  SELECT FROM syncline.table_schemas s
  WHERE s.source = $2 AND s.collection = $3 AND s.destination = $6 AND s.table_name = $7 AND s.revision = $8
) AS saved
FROM syncline.collections c
WHERE {own}

-- name: revise_schema
-- Adds revision $9 of the columns of a table ($7, $8), with the columns and changes in $10. Returns no row if the lease has
-- expired, or if the stream is no longer at version $6, as in `save_bookmark`.
WITH {fence}, {moved_once}, revised AS (
  INSERT INTO syncline.table_schemas
    (source, collection, destination, table_name, revision, columns, changes, task, attempt, changed_at)
  SELECT source, collection, $7::text, $8::text, $9::integer, $10::jsonb -> 'columns', $10::jsonb -> 'changes', task, attempt, at
  FROM moved
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'SchemaChanged', at, 'RUNNING', attempt, $1, $10::jsonb FROM moved
)
SELECT version FROM moved

-- name: renewal_head
-- The version of a stream that worker $1 may append to, and whether it already has renewal $6 of the attempt.
SELECT c.version, EXISTS (
  SELECT FROM syncline.events e
  WHERE e.task = $4 AND e.attempt = c.attempt AND e.type = 'ConfigRenewed' AND (e.data->>'renewal')::integer = $6
) AS saved
FROM syncline.collections c
WHERE {own}

-- name: keep_renewed_config
-- Keeps renewal $7 of the attempt: what source or destination ($8, $9) has made of its configuration $13 seconds ago ($10
-- to $12; null without a secret key: the event alone is appended). No row if the lease has expired, or if the stream is no
-- longer at version $6, as in `save_bookmark`.
-- Attempts of other collections of the source run at the same time, so the latest renewal stays. A time in the future is
-- of a clock that was set back since. One that began before the configuration in the catalogue was changed has a digest ($11)
-- of its own, and so replaces nothing newer; rows of other digests that were not renewed for 30 days are removed.
WITH {fence}, {moved_once}, kept AS (
  INSERT INTO syncline.renewed_configs AS r (role, name, digest, key_id, sealed, renewed_at)
  SELECT $8::text, $9::text, $11::bytea, $10::bytea, $12::bytea, at - $13::float8 * interval '1 s' FROM moved WHERE $12::bytea IS NOT NULL
  ON CONFLICT (role, name, digest) DO UPDATE
  SET key_id = excluded.key_id, sealed = excluded.sealed, renewed_at = excluded.renewed_at
  WHERE excluded.renewed_at >= r.renewed_at OR r.renewed_at > syncline.clock()
), forgotten AS (
  DELETE FROM syncline.renewed_configs r USING moved m
  WHERE r.role = $8::text AND r.name = $9::text AND r.digest <> $11::bytea AND r.renewed_at < m.at - interval '30 days'
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'ConfigRenewed', at, 'RUNNING', attempt, $1,
         jsonb_build_object('renewal', $7::integer, 'role', $8::text, 'name', $9::text, 'kept', $12::bytea IS NOT NULL)
  FROM moved
)
SELECT version FROM moved

-- name: report_progress
-- Appends the progress $6 of attempts: collections ($2, $3), tasks $4, claims $5. Attempts that no longer belong to
-- worker $1, or whose row is locked, are skipped: more progress will follow.
WITH {fence}, report AS MATERIALIZED (
  SELECT * FROM unnest($2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::text[]) AS p (source, collection, task, claim, progress)
), head AS MATERIALIZED (
  SELECT c.source, c.collection, p.progress
  FROM syncline.collections c JOIN report p ON p.source = c.source AND p.collection = c.collection
  WHERE c.task = p.task AND c.claim = p.claim AND c.worker = $1 AND c.xid <= syncline.position()
    AND EXISTS (SELECT FROM fence)
  FOR UPDATE OF c SKIP LOCKED
), moved AS (
  UPDATE syncline.collections c
  SET version = c.version + 1, changed_at = greatest(f.at, c.changed_at), xid = syncline.position()
  FROM head h, fence f
  WHERE c.source = h.source AND c.collection = h.collection
  RETURNING c.task, c.attempt, c.version, c.changed_at AS at, h.progress
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data)
  SELECT task, version, 'ProgressReported', at, 'RUNNING', attempt, $1, progress::jsonb FROM moved
)
SELECT count(*) FROM moved
