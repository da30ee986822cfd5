-- One lease for each worker. All that a worker writes holds KEY SHARE on its row, which renewals do not disturb; taking
-- the lease away needs the whole row. So a worker's write is either before the loss or refused.

-- name: register_worker
-- A new worker with a lease of $5.
INSERT INTO syncline.workers (worker, host, pid, release, slots, state, started_at, renewed_at, lease_until)
SELECT syncline.uuid7(at), $1, $2, $3, $4, 'active', at, at, at + $5::interval FROM (SELECT syncline.clock() AS at) AS c
RETURNING worker

-- name: renew_lease
-- Prolongs the lease of worker $1 by $2 from now, unless it is over.
UPDATE syncline.workers SET renewed_at = syncline.clock(), lease_until = syncline.clock() + $2::interval
WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock()
RETURNING worker

-- name: drain_worker
-- From now on worker $1 claims nothing.
UPDATE syncline.workers SET state = 'draining' WHERE worker = $1 AND state = 'active'

-- name: stop_worker
-- Worker $1 is at its end; what it may have left behind is free for rescue. FOR UPDATE, because a statement of a
-- connection that the worker gave up may still be writing.
UPDATE syncline.workers SET state = 'stopped', lease_until = syncline.clock()
WHERE worker IN (SELECT worker FROM syncline.workers WHERE worker = $1 AND state <> 'lost' FOR UPDATE)

-- name: mark_lost_workers
-- Workers whose lease is over lose it for good. A row that a last write still holds is left for the next round.
UPDATE syncline.workers SET state = 'lost' WHERE worker IN (
  SELECT worker FROM syncline.workers
  WHERE state IN ('active', 'draining') AND lease_until < syncline.clock() FOR UPDATE SKIP LOCKED
)
RETURNING worker

-- name: has_gone_workers
-- Whether the rescuer would find something: a look that writes nothing.
SELECT EXISTS (
  SELECT FROM syncline.workers WHERE state IN ('active', 'draining') AND lease_until < syncline.clock()
) OR EXISTS (
  SELECT FROM syncline.task_queue q LEFT JOIN syncline.workers w USING (worker)
  WHERE q.status = 'RUNNING' AND coalesce(w.state, 'lost') IN ('lost', 'stopped')
)

-- name: forget_workers
-- Workers that ended more than a week ago.
DELETE FROM syncline.workers WHERE state IN ('stopped', 'lost') AND renewed_at < syncline.clock() - interval '7 days'
