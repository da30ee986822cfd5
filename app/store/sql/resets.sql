-- name: reset_collection
-- Deletes the bookmarks of a collection, and appends what caused it ($3). No row if another reset with a higher transaction id
-- came before: the statement is sent again, so that resets have positions in the order in which they happened.
-- The destinations' own copies become void, because they have an older generation.
WITH now AS MATERIALIZED (
  SELECT syncline.clock() AS at
), moved AS (
  INSERT INTO syncline.resets AS r (source, collection, generation, reset_at, fact, xid)
  SELECT $1, $2, {new_generation}, at, syncline.uuid7(at), syncline.position()
  FROM now
  ON CONFLICT (source, collection) DO UPDATE
  SET generation = greatest(excluded.generation, r.generation + 1), reset_at = greatest(excluded.reset_at, r.reset_at), fact = excluded.fact,
      xid = excluded.xid
  WHERE r.xid <= excluded.xid
  RETURNING *
), forgotten AS (
  DELETE FROM syncline.bookmarks b USING moved m WHERE b.source = m.source AND b.collection = m.collection
), appended AS (
  INSERT INTO syncline.events (task, version, type, at, attempt, data)
  SELECT fact, 1, 'CollectionReset', reset_at, 0,
         jsonb_build_object('source', source, 'collection', collection, 'generation', generation) || $3::jsonb
  FROM moved
)
SELECT generation FROM moved
