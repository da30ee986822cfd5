-- Pauses of collections, and of whole sources (collection ''). Each change is an event. What a pause does, the statements that
-- claim tasks and decide fire times find out from its row. As in `queue.sql`, a statement that meets a row with a higher
-- transaction id leaves it alone and is sent again, so that events have positions in the order in which they happened, and no
-- event of a collection is earlier than the one before it.

-- name: pause
-- Pauses ($1, $2) until $3, or until somebody resumes it if that is null; caused by $4. A pause that goes on keeps its beginning.
-- `since` is null if a row with a higher transaction id was met, or if the end is over.
WITH given AS MATERIALIZED (
  SELECT at, coalesce($3::timestamptz, 'infinity') AS ends_at FROM syncline.clock() AS at
), moved AS (
  INSERT INTO syncline.pauses AS p (source, collection, since, ends_at, changed_at, who, note, fact, xid)
  SELECT $1, $2, at, ends_at, at, $4::jsonb -> 'who', $4::jsonb ->> 'note', syncline.uuid7(at), syncline.position()
  FROM given WHERE ends_at > at
  ON CONFLICT (source, collection) DO UPDATE
  SET since = CASE WHEN p.ends_at > greatest(excluded.changed_at, p.changed_at) THEN p.since
                   ELSE greatest(excluded.changed_at, p.changed_at) END,
      ends_at = excluded.ends_at, changed_at = greatest(excluded.changed_at, p.changed_at), who = excluded.who,
      note = excluded.note, fact = excluded.fact, xid = excluded.xid
  WHERE p.xid <= excluded.xid
  RETURNING *
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, attempt, data)
  SELECT fact, 1, 'CollectionPaused', changed_at, 0,
         jsonb_strip_nulls(jsonb_build_object('source', source, 'collection', nullif(collection, ''), 'since', since,
                                              'until', nullif(ends_at, 'infinity'))) || $4::jsonb
  FROM moved
)
SELECT (SELECT since FROM moved) AS since, ends_at <= at AS is_over FROM given

-- name: resume
-- Ends the pause of ($1, $2), caused by $3. `is_paused` says whether there was one, and `is_over` whether it is ended.
WITH at AS MATERIALIZED (
  SELECT syncline.clock() AS now
), moved AS (
  UPDATE syncline.pauses p
  SET ends_at = greatest(at.now, p.changed_at), changed_at = greatest(at.now, p.changed_at), who = $3::jsonb -> 'who',
      note = $3::jsonb ->> 'note', fact = syncline.uuid7(at.now), xid = syncline.position()
  FROM at
  WHERE p.source = $1 AND p.collection = $2 AND p.ends_at > at.now AND p.xid <= syncline.position()
  RETURNING p.*
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, attempt, data)
  SELECT fact, 1, 'CollectionResumed', changed_at, 0,
         jsonb_strip_nulls(jsonb_build_object('source', source, 'collection', nullif(collection, ''), 'since', since)) || $3::jsonb
  FROM moved
)
SELECT EXISTS (SELECT FROM syncline.pauses p, at WHERE p.source = $1 AND p.collection = $2 AND p.ends_at > at.now) AS is_paused,
       EXISTS (SELECT FROM moved) AS is_over

-- name: active_pauses
-- All pauses that go on.
SELECT source, collection, since, nullif(ends_at, 'infinity') AS until, who, note
FROM syncline.pauses WHERE ends_at > syncline.clock() ORDER BY source, collection

-- name: running_tasks
-- The running tasks of source $1, collection $2; of all its collections if that is empty.
SELECT task, source, collection FROM syncline.collections
WHERE status = 'RUNNING' AND source = $1 AND ($2 = '' OR collection = $2)
ORDER BY collection
