-- name: append_log
-- Appends log lines if the lease of worker $1 is valid and the attempts still belong to it. $2–$6 are the attempts,
-- $7–$13 are blocks of lines; $7 is the ordinal of the block's attempt. Returns the ordinals of the attempts that may
-- write.
-- A block has consecutive line numbers ($8 to $9) and as many messages, in an array written as text.
-- The look-up is LATERAL for the reason that `queue.sql` gives.
-- With $14, for lines that may have been sent before, existing lines are skipped. It is optional because a look-up of
-- each line, like ON CONFLICT, costs as much as the insert.
WITH {fence}, writer AS MATERIALIZED (
  SELECT a.ordinal
  FROM unnest($2::text[], $3::text[], $4::uuid[], $6::bigint[]) WITH ORDINALITY AS a (source, collection, task, claim, ordinal)
  CROSS JOIN LATERAL (
    SELECT task, claim, worker FROM syncline.collections h WHERE h.source = a.source AND h.collection = a.collection LIMIT 1
  ) AS c
  WHERE c.task = a.task AND c.claim = a.claim AND c.worker = $1 AND EXISTS (SELECT FROM fence)
), block AS MATERIALIZED (
  SELECT ($4::uuid[])[ordinal] AS task, ($5::smallint[])[ordinal] AS attempt, first, last,
         (SELECT at FROM fence) - age * interval '1 s' AS at, level, messages, system
  FROM unnest($7::integer[], $8::integer[], $9::integer[], $10::float8[], $11::text[], $12::text[], $13::text[])
    AS b (ordinal, first, last, age, level, messages, system)
  WHERE (ordinal IN (SELECT ordinal FROM writer)) IS TRUE
), line AS (
  SELECT task, attempt, generate_series(first, last) AS line, at, level, unnest(messages::text[]) AS message, system FROM block
), appended AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message, system)
  SELECT task, attempt, line, at, level, message, system FROM line
  WHERE NOT $14::boolean OR (
    SELECT true FROM syncline.log_events e WHERE e.task = line.task AND e.attempt = line.attempt AND e.line = line.line
  ) IS NULL
)
SELECT ordinal::integer FROM writer
