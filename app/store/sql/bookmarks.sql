-- Bookmarks that are set by hand, and the history of all. Which bookmarks a generation begins with, its fact says: `bookmark`
-- has the rows of `bookmarks`. `given` names the destinations whose own bookmarks it replaces; these still count if they are of
-- one of the first generations in `before`, as many as `given` says. All of those count at destinations that it does not name.

-- name: set_bookmarks
-- Sets bookmarks of collection ($1, $2) by $3 (destination → bookmark; null: everything is loaded again there), caused by $4.
-- Other destinations keep theirs. Without `generation`, nothing has changed: `running` is the task that stands in the way, or
-- the statement is sent again, because another change came before it or between its snapshot and its lock on the head.
WITH now AS MATERIALIZED (
  SELECT syncline.clock() AS at
), head AS MATERIALIZED (
  SELECT task, status, xid FROM syncline.collections WHERE source = $1 AND collection = $2 FOR UPDATE
), seen AS MATERIALIZED (
  SELECT xid FROM syncline.collections WHERE source = $1 AND collection = $2
), before AS MATERIALIZED (
  SELECT coalesce(r.generation, 0) AS generation, r.fact, e.data FROM (SELECT true) AS one
  LEFT JOIN syncline.resets r ON r.source = $1 AND r.collection = $2
  LEFT JOIN syncline.events e ON e.task = r.fact AND e.version = 1 AND e.type = 'BookmarkSet'
), kept AS MATERIALIZED (
  SELECT b.destination, b.bookmark, b.task = (SELECT fact FROM before) AS is_set,
         coalesce((
           SELECT e.data ->> 'standing' FROM syncline.events e
           WHERE e.task = b.task AND e.type = 'BookmarkSaved' AND e.data ->> 'destination' = b.destination
           ORDER BY e.version DESC LIMIT 1
         ), (SELECT data -> 'standing' ->> b.destination FROM before)) AS standing
  FROM syncline.bookmarks b
  WHERE b.source = $1 AND b.collection = $2 AND b.generation = (SELECT generation FROM before)
), given AS MATERIALIZED (
  SELECT key AS destination, 0 AS count FROM jsonb_each($3::text::jsonb)
  UNION ALL
  SELECT key, value::integer + 1 FROM before, jsonb_each_text(data -> 'given')
  WHERE NOT $3::text::jsonb ? key AND NOT EXISTS (SELECT FROM kept k WHERE k.destination = key AND k.is_set IS NOT TRUE)
), wanted AS MATERIALIZED (
  SELECT key AS destination, value AS bookmark FROM jsonb_each($3::text::jsonb) WHERE value <> 'null'
  UNION ALL
  SELECT destination, bookmark FROM kept WHERE NOT $3::text::jsonb ? destination
), moved AS (
  INSERT INTO syncline.resets AS r (source, collection, generation, reset_at, fact, xid)
  SELECT $1, $2, {new_generation}, at, syncline.uuid7(at), syncline.position()
  FROM now
  WHERE NOT EXISTS (SELECT FROM head WHERE status = 'RUNNING' OR xid > syncline.position())
    AND (SELECT xid FROM head) IS NOT DISTINCT FROM (SELECT xid FROM seen)
  ON CONFLICT (source, collection) DO UPDATE
  SET generation = greatest(excluded.generation, r.generation + 1), reset_at = greatest(excluded.reset_at, r.reset_at), fact = excluded.fact,
      xid = excluded.xid
  WHERE r.xid <= excluded.xid AND r.generation = (SELECT generation FROM before)
  RETURNING *
), forgotten AS (
  DELETE FROM syncline.bookmarks b USING moved m
  WHERE b.source = m.source AND b.collection = m.collection AND b.destination NOT IN (SELECT destination FROM wanted)
), saved AS (
  INSERT INTO syncline.bookmarks AS b (source, collection, destination, bookmark, generation, task, attempt, saved_at)
  SELECT m.source, m.collection, w.destination, w.bookmark, m.generation, m.fact, 0, m.reset_at FROM moved m, wanted w
  ON CONFLICT (source, collection, destination) DO UPDATE
  SET bookmark = excluded.bookmark, generation = excluded.generation, task = excluded.task, attempt = excluded.attempt,
      saved_at = excluded.saved_at
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, attempt, data)
  SELECT m.fact, 1, 'BookmarkSet', m.reset_at, 0,
         jsonb_build_object(
           'source', m.source, 'collection', m.collection, 'generation', m.generation,
           'before', jsonb_build_array(p.generation) || coalesce(p.data -> 'before', '[]'),
           'given', (SELECT jsonb_object_agg(destination, count) FROM given),
           'standing', (SELECT coalesce(jsonb_object_agg(destination, standing), '{}') FROM kept WHERE standing IS NOT NULL),
           'bookmark', (SELECT coalesce(jsonb_object_agg(destination, bookmark), '{}') FROM wanted)
         ) || $4::jsonb
  FROM moved m, before p
)
SELECT (SELECT task FROM head WHERE status = 'RUNNING') AS running, m.generation, m.fact, m.xid
FROM (SELECT true) AS one LEFT JOIN moved m ON true

-- name: set_since
-- What the fact that began generation $3 of a collection says to each destination in $4; no rows unless that set bookmarks.
-- `still_valid` are the generations of its own bookmark that count, `bookmark` is what replaces one of another generation; null
-- if nothing does, or if an attempt has saved one since.
SELECT d.destination,
       CASE WHEN d.is_over THEN ARRAY[]::bigint[] ELSE ARRAY(
         SELECT g::bigint FROM jsonb_array_elements_text(d.data -> 'before') WITH ORDINALITY AS b (g, number)
         WHERE number <= coalesce((d.data -> 'given' ->> d.destination)::integer, number)
       ) END AS still_valid,
       CASE WHEN d.data -> 'given' ? d.destination AND NOT d.is_over THEN (d.data -> 'bookmark' -> d.destination)::text END AS bookmark
FROM (
  SELECT destination, e.data,
         e.data -> 'given' ? destination AND EXISTS (
           SELECT FROM syncline.bookmarks b
           WHERE b.source = $1 AND b.collection = $2 AND b.destination = named.destination AND b.generation = $3 AND b.task <> r.fact
         ) AS is_over
  FROM syncline.resets r
  JOIN syncline.events e ON e.task = r.fact AND e.version = 1 AND e.type = 'BookmarkSet'
  CROSS JOIN unnest($4::text[]) AS named (destination)
  WHERE r.source = $1 AND r.collection = $2 AND r.generation = $3
) AS d

-- name: current_bookmarks
-- The bookmarks of a collection as they are now, and the place of the event that says so.
SELECT b.destination, b.bookmark::text AS bookmark, b.saved_at AS at, b.task, e.version, e.xid, e.status IS NULL AS is_set
FROM syncline.bookmarks b
LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
LEFT JOIN LATERAL (
  SELECT version, xid, status FROM syncline.events e
  WHERE e.task = b.task AND (e.type = 'BookmarkSet' OR e.type = 'BookmarkSaved' AND e.data ->> 'destination' = b.destination)
  ORDER BY version DESC LIMIT 1
) AS e ON true
WHERE b.source = $1 AND b.collection = $2 AND b.generation = coalesce(r.generation, 0)
ORDER BY b.destination

-- name: bookmark_history
-- What has changed the bookmarks of a collection, newest first: at most $3 events; of destination $4 alone, unless that is null.
SELECT xid, task, version, at, type, data - 'bookmark' - 'standing' AS data,
       CASE type WHEN 'BookmarkSaved' THEN nullif(data -> 'bookmark', 'null') ELSE data -> 'bookmark' END::text AS bookmark
FROM (
  (
    SELECT e.xid, e.task, e.version, e.at, e.type, e.data
    FROM (SELECT task FROM syncline.all_tasks WHERE source = $1 AND collection = $2 ORDER BY task DESC) AS t
    CROSS JOIN LATERAL (
      SELECT xid, task, version, at, type, data FROM syncline.events e
      WHERE e.task = t.task AND e.type = 'BookmarkSaved' AND ($4::text IS NULL OR e.data ->> 'destination' = $4)
      ORDER BY version DESC
    ) AS e
    ORDER BY e.task DESC, e.version DESC LIMIT $3
  )
  UNION ALL
  (
    SELECT xid, task, version, at, type, data FROM syncline.events
    WHERE status IS NULL AND data ->> 'source' = $1 AND data ->> 'collection' = $2
      AND (type = 'CollectionReset' OR type = 'BookmarkSet' AND ($4::text IS NULL OR data -> 'given' ->> $4 = '0'))
    ORDER BY task DESC LIMIT $3
  )
) AS e
ORDER BY xid DESC, task DESC, version DESC LIMIT $3

-- name: bookmarks_at
-- The bookmarks of a collection after the event at place ($3, $4, $5); null where everything is loaded again.
WITH fact AS MATERIALIZED (
  SELECT xid, data, (data ->> 'generation')::bigint AS generation FROM syncline.events
  WHERE status IS NULL AND data ->> 'source' = $1 AND data ->> 'collection' = $2 AND type IN ('CollectionReset', 'BookmarkSet')
    AND (xid, task, version) <= ($3, $4, $5)
  ORDER BY xid DESC, task DESC LIMIT 1
), saved AS MATERIALIZED (
  SELECT e.xid, e.version, e.data FROM syncline.all_tasks t JOIN syncline.events e ON e.task = t.task
  WHERE t.source = $1 AND t.collection = $2 AND e.type = 'BookmarkSaved' AND (e.xid, e.task, e.version) <= ($3, $4, $5)
), last AS MATERIALIZED (
  SELECT DISTINCT ON (data ->> 'destination') data ->> 'destination' AS destination, data -> 'bookmark' AS bookmark FROM saved
  WHERE (data ->> 'generation')::bigint = coalesce(
    (SELECT generation FROM fact), (SELECT (data ->> 'generation')::bigint FROM saved ORDER BY xid DESC LIMIT 1)
  )
  ORDER BY data ->> 'destination', xid DESC, version DESC
)
SELECT destination, nullif(bookmark, 'null')::text AS bookmark FROM last
UNION ALL
SELECT destination, nullif(data -> 'bookmark' -> destination, 'null')::text FROM (
  SELECT f.data, d.destination FROM fact f, LATERAL (
    SELECT jsonb_object_keys(f.data -> 'bookmark') AS destination UNION SELECT jsonb_object_keys(f.data -> 'given')
  ) AS d
) AS begun
WHERE destination NOT IN (SELECT destination FROM last)
ORDER BY destination

-- name: place_is_known
-- Whether the store has the event at place ($1, $2, $3) with check $5 (0 if it is not known), or everything up to position $1 if
-- $4 is false.
SELECT CASE WHEN $4::boolean THEN EXISTS (
              SELECT FROM syncline.events WHERE xid = $1 AND task = $2 AND version = $3 AND ($5::bigint = 0 OR $5 = {check})
            )
            ELSE coalesce($1 >= (SELECT gone_upto FROM syncline.retention), true) END
