-- Each worker has one lease. Every write of a worker locks its row FOR KEY SHARE, which does not block renewals; taking
-- the lease away needs FOR UPDATE. So a worker's write either commits before the lease is lost, or is refused.

-- name: register_worker
-- Adds a worker of pools $6 with a lease of length $5.
INSERT INTO syncline.workers (worker, host, pid, release, slots, state, started_at, renewed_at, lease_until, pools)
SELECT syncline.uuid7(at), $1, $2, $3, $4, 'active', at, at, at + $5::interval, $6::text[]
FROM (SELECT syncline.clock() AS at) AS c
RETURNING worker

-- name: renew_lease
-- Extends the lease of worker $1 to $2 from now, unless it has expired.
UPDATE syncline.workers SET renewed_at = syncline.clock(), lease_until = syncline.clock() + $2::interval
WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock()
RETURNING worker

-- name: drain_worker
-- Worker $1 claims nothing from now on.
UPDATE syncline.workers SET state = 'draining' WHERE worker = $1 AND state = 'active'

-- name: stop_worker
-- Marks worker $1 as stopped; attempts that it still has may be rescued. FOR UPDATE, because a statement on a connection
-- that the worker gave up may still be writing.
UPDATE syncline.workers SET state = 'stopped', lease_until = syncline.clock()
WHERE worker IN (SELECT worker FROM syncline.workers WHERE worker = $1 AND state <> 'lost' FOR UPDATE)

-- name: mark_lost_workers
-- Takes expired leases away for good. A row that a last write still locks is left for the next round.
UPDATE syncline.workers SET state = 'lost' WHERE worker IN (
  SELECT worker FROM syncline.workers
  WHERE state IN ('active', 'draining') AND lease_until < syncline.clock() FOR UPDATE SKIP LOCKED
)
RETURNING worker

-- name: has_gone_workers
-- Whether the rescuer has work, without writing anything.
SELECT EXISTS (
  SELECT FROM syncline.workers WHERE state IN ('active', 'draining') AND lease_until < syncline.clock()
) OR EXISTS (
  SELECT FROM syncline.collections c LEFT JOIN syncline.workers w USING (worker)
  WHERE c.status = 'RUNNING' AND coalesce(w.state, 'lost') IN ('lost', 'stopped')
)

-- name: forget_workers
-- Deletes workers that ended more than a week ago.
DELETE FROM syncline.workers WHERE state IN ('stopped', 'lost') AND renewed_at < syncline.clock() - interval '7 days'
