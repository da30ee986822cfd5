-- Redacts fields of events, over a connection with the rights of the tables' owner.

-- name: lock_head
-- Locks the collection's row of task $1, as whoever appends to the task does.
SELECT FROM syncline.collections WHERE task = $1 FOR UPDATE

-- name: lock_stream
-- Locks the first event of task $1, so that its events are redacted one after the other.
SELECT FROM syncline.events WHERE task = $1 AND version = 1 FOR UPDATE

-- name: event_to_redact
-- Event $2 of task $1.
SELECT e.type, e.data, s.data ->> 'source' AS source, s.data ->> 'collection' AS collection, s.at AS began_at,
       s.status IS NULL AS is_fact
FROM syncline.events e JOIN syncline.events s ON s.task = e.task AND s.version = 1
WHERE e.task = $1 AND e.version = $2

-- name: copies
-- Fields of $4 that have the same value as one of the fields $3 of event $2 of task $1: in this task, and in those that its
-- collection ($5, $6) had before and after it; it was created at $7.
WITH streams AS MATERIALIZED (
  SELECT $1::uuid AS task
  UNION ALL (
    SELECT task FROM syncline.all_tasks
    WHERE source = $5 AND collection = $6 AND (created_at, task) < ($7::timestamptz, $1::uuid)
    ORDER BY created_at DESC, task DESC LIMIT 1
  )
  UNION ALL (
    SELECT task FROM syncline.all_tasks
    WHERE source = $5 AND collection = $6 AND (created_at, task) > ($7::timestamptz, $1::uuid)
    ORDER BY created_at, task LIMIT 1
  )
), known AS MATERIALIZED (
  SELECT DISTINCT e.data -> f.field AS value FROM syncline.events e CROSS JOIN unnest($3::text[]) AS f (field)
  WHERE e.task = $1 AND e.version = $2 AND e.data -> f.field <> 'null'
)
SELECT e.task, e.version, e.type, f.field
FROM streams s JOIN syncline.events e ON e.task = s.task CROSS JOIN unnest($4::text[]) AS f (field)
JOIN known k ON k.value = e.data -> f.field
WHERE (e.task, e.version) <> ($1, $2) OR f.field <> ALL ($3)
ORDER BY e.task, e.version, f.field

-- name: keep_digests
-- Keeps the digests of fields $3 of event $2 of task $1; event $4 tells of it.
INSERT INTO syncline.redactions (task, version, field, digest, fact, redacted_at)
SELECT e.task, e.version, f.field, sha256(convert_to((e.data -> f.field)::text, 'UTF8')), $4, syncline.clock()
FROM syncline.events e CROSS JOIN unnest($3::text[]) AS f (field) WHERE e.task = $1 AND e.version = $2

-- name: redact_event
-- Replaces fields $3 of event $2 of task $1. The trigger that refuses all other changes looks at the digests.
UPDATE syncline.events e
SET data = e.data || (SELECT jsonb_object_agg(f.field, syncline.redacted(f.field, e.data -> f.field)) FROM unnest($3::text[]) AS f (field))
WHERE e.task = $1 AND e.version = $2

-- name: redact_task
-- Gives the row of an ended task $1 the error that its events have now.
UPDATE syncline.tasks SET error = {last_error} WHERE task = $1 AND error IS NOT NULL

-- name: redact_collection
-- Gives the row of the collection whose last task is $1 the error that the events have now.
UPDATE syncline.collections SET error = {last_error} WHERE task = $1 AND error IS NOT NULL

-- name: redact_request
-- Gives the row of the collection whose last task is $1 the request for the next one that the events have now.
UPDATE syncline.collections SET again = (
  SELECT e.data FROM syncline.events e WHERE e.task = $1 AND e.type = 'RunAgainRequested' ORDER BY e.version DESC LIMIT 1
) WHERE task = $1 AND again IS NOT NULL

-- name: redact_pause
-- Gives the pause that rests on fact $1 the name and the note that the fact has now.
UPDATE syncline.pauses p SET who = e.data -> 'who', note = e.data ->> 'note' FROM syncline.events e WHERE p.fact = $1 AND e.task = $1

-- name: redact_problems
-- Takes what was wrong with a source, if fact $1 tells of it, out of what the next content of the catalogue is compared with.
UPDATE syncline.catalogue_parts p SET keys = '{}'
FROM syncline.events e
WHERE e.task = $1 AND e.type = 'SourceRejected' AND e.data -> 'problems' = '"[redacted]"'
  AND p.kind = 'rejected' AND p.name = e.data ->> 'source'

-- name: redact_lines
-- Replaces lines of the log of task $1: attempts $2 and numbers $3. Returns those that it has found.
UPDATE syncline.log_events l SET message = '[redacted]'
FROM unnest($2::smallint[], $3::integer[]) AS w (attempt, line)
WHERE l.task = $1 AND l.attempt = w.attempt AND l.line = w.line AND l.message <> '[redacted]'
RETURNING l.attempt, l.line

-- name: new_fact
-- The id of an event that is not of a task.
SELECT syncline.uuid7(syncline.clock())

-- name: append_fact
-- Appends event $1, of type $2 with data $3.
INSERT INTO syncline.events (task, version, type, at, status, attempt, data) VALUES ($1, 1, $2, syncline.clock(), NULL, 0, $3)

-- name: is_archived
-- Whether the week of task $1 was archived before retention removed a part of it.
SELECT EXISTS (
  SELECT FROM syncline.seals s WHERE s.archived AND syncline.week_floor(s.week) <= $1 AND syncline.week_floor(s.before) > $1
)
