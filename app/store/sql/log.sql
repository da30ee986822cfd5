-- name: append_log
-- Appends log lines of attempts of worker $1 ($2–$5: its attempts; $6–$10: lines, $6 says whose), if its lease stands and
-- the attempts are still its own. Sent again, it changes nothing. Returns the places of the attempts that may write.
WITH fence AS MATERIALIZED (
  SELECT FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), writer AS MATERIALIZED (
  SELECT a.place, a.task, a.attempt, syncline.clock() AS at
  FROM unnest($2::text[], $3::text[], $4::uuid[], $5::smallint[]) WITH ORDINALITY AS a (source, collection, task, attempt, place)
  JOIN syncline.task_queue q ON q.source = a.source AND q.collection = a.collection
  WHERE q.task = a.task AND q.attempt = a.attempt AND q.worker = $1 AND EXISTS (SELECT FROM fence)
), appended AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT w.task, w.attempt, l.line, w.at - l.age, l.level, l.message
  FROM unnest($6::integer[], $7::integer[], $8::interval[], $9::text[], $10::text[]) AS l (place, line, age, level, message)
  JOIN writer w USING (place)
  ON CONFLICT (task, attempt, line) DO NOTHING
)
SELECT place::integer FROM writer
