-- Requests that others have written with `syncline.request_sync`, in transactions of their own.

-- name: requested_syncs
-- The collections for which there are requests, up to $1 of them: the ids of the requests, and who made the first one, why, and
-- how long ago.
SELECT source, collection, array_agg(id ORDER BY id) AS ids, (array_agg(requested_by ORDER BY id))[1] AS requested_by,
       (array_agg(note ORDER BY id))[1] AS note, syncline.clock() - min(requested_at) AS age
FROM syncline.sync_requests GROUP BY source, collection ORDER BY min(id) LIMIT $1

-- name: take_requests
-- Deletes requests $1, and returns how many were still there. One that another worker is taking is left to it.
WITH free AS MATERIALIZED (
  SELECT id FROM syncline.sync_requests WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED
), taken AS (
  DELETE FROM syncline.sync_requests r USING free f WHERE r.id = f.id RETURNING r.id
)
SELECT count(*) FROM taken

-- name: refuse_request
-- Appends that the request for ($1, $2) is refused because of $3, with cause $4.
INSERT INTO syncline.events (task, version, type, at, attempt, data)
SELECT syncline.uuid7(at), 1, 'SyncRefused', at, 0,
       jsonb_build_object('source', $1::text, 'collection', $2::text, 'reason', $3::text) || $4::jsonb
FROM syncline.clock() AS at
