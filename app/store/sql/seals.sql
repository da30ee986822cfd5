-- Seals of weeks of events. The rules are in functions that belong to the owner of the tables; verification trusts none of them.

-- name: seal_week
-- Seals the next week that is complete, and returns its seal; no row if none is, or while another session does it.
SELECT number, week, before, events, streams, root, replaces, archived, sealed_at, previous, seal FROM syncline.seal_week()

-- name: list_seals
-- The whole chain.
SELECT number, week, before, events, streams, root, replaces, archived, sealed_at, previous, seal FROM syncline.seals ORDER BY number

-- name: archivable_seals
-- The seals of whole weeks that ended more than $1 ago.
SELECT number, week, before, events, streams, root, replaces, archived, sealed_at, previous, seal
FROM syncline.current_seals
WHERE replaces = '{}' AND streams > 0 AND before <= date_trunc('day', (syncline.clock() - $1::interval) AT TIME ZONE 'UTC')::date
ORDER BY week

-- name: named_streams
-- The streams that seal $1 names, in blocks.
SELECT streams FROM syncline.sealed_streams WHERE seal = $1 ORDER BY block

-- name: sealed_events
-- The events of the tasks from $1 to $2, as they are hashed. A time that no clock has shown could not be read.
SELECT task, version, type, v,
       CASE WHEN at BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 00:00Z' THEN (extract(epoch FROM at) * 1000000)::bigint END AS at,
       status, attempt, worker, xid, line, data::text AS data
FROM syncline.events WHERE task >= $1 AND task < $2 ORDER BY task, version

-- name: redacted_fields
-- The redacted fields of the events of the tasks from $1 to $2.
SELECT task, version, field, digest FROM syncline.redactions WHERE task >= $1 AND task < $2 ORDER BY task, version

-- name: redactions
-- All redactions, each with its event and whether this tells of it and was appended after the redacted one.
SELECT r.task, r.version, r.field, r.fact, r.redacted_at,
       (f.type = 'EventRedacted' AND f.data ->> 'task' = r.task::text AND f.data -> 'version' = to_jsonb(r.version)
        AND f.data -> 'fields' ? r.field AND f.task > r.task AND f.xid > e.xid) IS TRUE AS is_told
FROM syncline.redactions r
LEFT JOIN syncline.events f ON f.task = r.fact AND f.version = 1
LEFT JOIN syncline.events e ON e.task = r.task AND e.version = r.version
ORDER BY r.task, r.version, r.field

-- name: redaction_events
-- The events that tell of redactions, as they are hashed.
SELECT task, xid, data::text AS data FROM syncline.events WHERE type = 'EventRedacted' AND status IS NULL

-- name: next_task
-- The first task with an id from $1 on that has events.
SELECT task FROM syncline.events WHERE task >= $1 ORDER BY task LIMIT 1

-- name: active_tasks
-- How many tasks with ids from $1 to $2 are active.
SELECT count(*) FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING') AND task >= $1 AND task < $2

-- name: last_change
-- The time of the last event of the tasks with ids from $1 to $2, as far as it can be read.
SELECT coalesce(least(max(at), '9999-12-31 00:00Z'), '9999-12-31 00:00Z') FROM syncline.events
WHERE at >= '0001-01-01 00:00Z' AND task >= $1 AND task < $2

-- name: retention_horizon
-- Retention has removed nothing of this day or later.
SELECT sealed_before FROM syncline.retention

-- name: names_of_tasks
-- The collections of these tasks, as far as their rows are there.
SELECT task, source, collection FROM syncline.all_tasks WHERE task = ANY ($1::uuid[])

-- name: unarchived_weeks
-- The weeks that retention keeps because they are not archived.
SELECT unarchived_weeks FROM syncline.retention

-- name: differing_weeks
-- The weeks that retention keeps because they are not as they were sealed.
SELECT differing_weeks FROM syncline.retention
