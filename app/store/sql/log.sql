-- name: append_log
-- Appends log lines of attempts of worker $1 ($2–$6: its attempts; $7–$12: blocks of lines, $7 says whose), if its lease
-- stands and the attempts are still its own. Returns the places of the attempts that may write. With $13, for what was
-- sent before, lines that are there already are left alone; to look for each of them (or ON CONFLICT) costs as much as to
-- add it. A block is numbers from … to …, and an array of as many messages, written as text.
WITH fence AS MATERIALIZED (
  SELECT syncline.clock() AS at FROM syncline.workers
  WHERE worker = $1 AND state IN ('active', 'draining') AND lease_until > syncline.clock() FOR KEY SHARE
), writer AS MATERIALIZED (
  SELECT a.place
  FROM unnest($2::text[], $3::text[], $4::uuid[], $6::bigint[]) WITH ORDINALITY AS a (source, collection, task, claim, place)
  JOIN syncline.task_queue q ON q.source = a.source AND q.collection = a.collection
  WHERE q.task = a.task AND q.claim = a.claim AND q.worker = $1 AND EXISTS (SELECT FROM fence)
), block AS MATERIALIZED (
  SELECT ($4::uuid[])[place] AS task, ($5::smallint[])[place] AS attempt, first, last,
         (SELECT at FROM fence) - age * interval '1 s' AS at, level, messages
  FROM unnest($7::integer[], $8::integer[], $9::integer[], $10::float8[], $11::text[], $12::text[])
    AS b (place, first, last, age, level, messages)
  WHERE (place IN (SELECT place FROM writer)) IS TRUE
), line AS (
  SELECT task, attempt, generate_series(first, last) AS line, at, level, unnest(messages::text[]) AS message FROM block
), appended AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT task, attempt, line, at, level, message FROM line
  WHERE NOT $13::boolean OR (
    SELECT true FROM syncline.log_events e WHERE e.task = line.task AND e.attempt = line.attempt AND e.line = line.line
  ) IS NULL
)
SELECT place::integer FROM writer
