-- name: append_log
-- Appends log lines of attempts of worker $1 ($2–$5: its attempts; $6–$10: lines, $6 says whose), if its lease stands and
-- the attempts are still its own. Returns the places of the attempts that may write. With $11, for what was sent before,
-- lines that are there already are left alone; to look for each of them (or ON CONFLICT) costs as much as to add it.
WITH fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), writer AS MATERIALIZED (
  SELECT a.place
  FROM unnest($2::text[], $3::text[], $4::uuid[], $5::smallint[]) WITH ORDINALITY AS a (source, collection, task, attempt, place)
  JOIN syncline.task_queue q ON q.source = a.source AND q.collection = a.collection
  WHERE q.task = a.task AND q.attempt = a.attempt AND q.worker = $1 AND EXISTS (SELECT FROM fence)
), appended AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT ($4::uuid[])[place], ($5::smallint[])[place], line, (SELECT at FROM fence) - age * interval '1 s', level, message
  FROM unnest($6::integer[], $7::integer[], $8::float8[], $9::text[], $10::text[]) AS l (place, line, age, level, message)
  WHERE (place IN (SELECT place FROM writer)) IS TRUE AND (NOT $11::boolean OR (
    SELECT true FROM syncline.log_events e
    WHERE e.task = ($4::uuid[])[l.place] AND e.attempt = ($5::smallint[])[l.place] AND e.line = l.line
  ) IS NULL)
)
SELECT place::integer FROM writer
