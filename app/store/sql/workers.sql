-- The workers, for people who look at them.

-- name: listed_workers
-- The workers whose lease is valid, and those whose lease has ended in the last day, newest first; the first $1 of them. Each with
-- the number of tasks that it runs, or has left running, and whether it has another catalogue than the last one that was told.
-- A worker that has told none yet has no other one.
SELECT w.worker, w.host, w.pid, w.release, w.slots, w.pools, w.state, w.started_at, w.renewed_at, w.lease_until, w.is_alive,
       coalesce(w.content <> t.digest, false) AS has_other_catalogue, r.running, w.workers, c.now
FROM (SELECT syncline.clock() AS now) AS c
CROSS JOIN LATERAL (
  SELECT a.*, count(*) OVER () AS workers
  FROM (SELECT l.*, l.state IN ('active', 'draining') AND l.lease_until > c.now AS is_alive FROM syncline.workers l) AS a
  WHERE a.is_alive OR a.lease_until > c.now - interval '1 day'
  ORDER BY a.is_alive DESC, a.renewed_at DESC, a.worker DESC LIMIT $1
) AS w
CROSS JOIN LATERAL (SELECT count(*) AS running FROM syncline.collections h WHERE h.worker = w.worker AND h.status = 'RUNNING') AS r
CROSS JOIN syncline.catalogue_content t
ORDER BY w.is_alive DESC, w.renewed_at DESC, w.worker DESC

-- name: tasks_of_workers
-- What each of the workers $1 runs, the oldest first: the first $2 of them.
SELECT r.*
FROM unnest($1::uuid[]) AS w (worker)
CROSS JOIN LATERAL (
  SELECT h.worker, h.source, h.collection, h.task, h.attempt, h.started_at FROM syncline.collections h
  WHERE h.worker = w.worker AND h.status = 'RUNNING'
  ORDER BY h.started_at, h.task LIMIT $2
) AS r
