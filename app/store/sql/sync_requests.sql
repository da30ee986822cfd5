-- Requests that others have written with `syncline.request_sync`, in transactions of their own.

-- name: has_requests
-- Whether there are requests.
SELECT EXISTS (SELECT FROM syncline.sync_requests)

-- name: hold_requests
-- Locks requests, oldest first, of up to $1; those that another worker has locked are its own.
SELECT id, source, collection, requested_by, note, syncline.clock() - requested_at AS age
FROM syncline.sync_requests ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: drop_requests
-- Deletes requests that have become tasks, or are refused.
DELETE FROM syncline.sync_requests WHERE id = ANY ($1::bigint[])

-- name: refuse_request
-- Appends that the request of $3 for ($1, $2) is refused, with cause $4.
INSERT INTO syncline.events (task, version, type, at, attempt, data)
SELECT syncline.uuid7(at), 1, 'SyncRefused', at, 0,
       jsonb_build_object('source', $1::text, 'collection', $2::text, 'reason', $3::text) || $4::jsonb
FROM syncline.clock() AS at
