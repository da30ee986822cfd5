-- Redacts fields of events, over a connection with the rights of the tables' owner.

-- name: lock_head
-- Locks the collection's row of task $1, as whoever appends to the task does.
SELECT FROM syncline.collections WHERE task = $1 FOR UPDATE

-- name: lock_stream
-- Locks the first event of task $1, so that its events are redacted one after the other.
SELECT FROM syncline.events WHERE task = $1 AND version = 1 FOR UPDATE

-- name: event_to_redact
-- Event $2 of task $1.
SELECT e.type, e.data, s.data ->> 'source' AS source, s.data ->> 'collection' AS collection
FROM syncline.events e JOIN syncline.events s ON s.task = e.task AND s.version = 1
WHERE e.task = $1 AND e.version = $2

-- name: keep_digests
-- Keeps the digests of fields $3 of event $2 of task $1; event $4 tells of it.
INSERT INTO syncline.redactions (task, version, field, digest, fact, redacted_at)
SELECT e.task, e.version, f.field, sha256(convert_to((e.data -> f.field)::text, 'UTF8')), $4, syncline.clock()
FROM syncline.events e CROSS JOIN unnest($3::text[]) AS f (field) WHERE e.task = $1 AND e.version = $2

-- name: redact_event
-- Replaces fields $3 of event $2 of task $1. The trigger that refuses all other changes looks at the digests.
UPDATE syncline.events e
SET data = e.data || (SELECT jsonb_object_agg(f.field, syncline.redacted(e.data -> f.field)) FROM unnest($3::text[]) AS f (field))
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
