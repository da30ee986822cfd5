-- The facts of tasks %(first)s to %(last)s, as `benchmarks/history.py` describes them: their events
-- and their log lines. Everything about a task follows from its number; `chance` is the same for the same number.
WITH numbered AS (
  SELECT i, i / %(a_round)s AS round, mod(i, %(a_round)s) AS place, mod(i * 2654435761, 4294967296) AS chance
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
), named AS (
  SELECT *, CASE WHEN place < %(busy)s THEN place ELSE %(busy)s + (place - %(busy)s) * %(turns)s + mod(round, %(turns)s) END AS number,
         %(began)s::timestamptz + round * %(between)s::interval + place * interval '1 ms' AS created_at,
         mod(i, %(long_every)s) = %(long_every)s / 2 AS is_long
  FROM numbered
), made AS MATERIALIZED (
  SELECT i, round, chance, created_at, is_long, 'source_' || number / %(own)s AS source, 'collection_' || mod(number, %(own)s) AS collection,
         syncline.uuid7(created_at) AS task,
         CASE WHEN is_long THEN 'plain' WHEN mod(chance, 1000) < 50 THEN 'retried'
              WHEN mod(chance, 1000) < 80 THEN 'failed' WHEN mod(chance, 1000) < 90 THEN 'canceled' ELSE 'saved' END AS kind,
         created_at + interval '200 ms' + mod(chance, 1000) * interval '50 us' AS started_at,
         make_interval(secs => (1 + mod(number * 7, 80)) * (1 + mod(chance >> 8, 1000) / 5000.0)) AS duration
  FROM named
), timed AS (
  SELECT *, source || '_' || collection || '_' || task AS task_id, started_at + interval '5 s' AS failed_at,
         CASE WHEN is_long THEN %(long_lines)s WHEN kind = 'canceled' THEN 1 ELSE %(short_lines)s END AS lines,
         CASE kind WHEN 'canceled' THEN 0 WHEN 'retried' THEN 2 ELSE 1 END AS attempts,
         CASE kind WHEN 'canceled' THEN created_at + interval '1 s' WHEN 'retried' THEN started_at + interval '15 s' + duration
                   ELSE started_at + duration END AS finished_at,
         round(extract(epoch FROM duration), 3) AS seconds
  FROM made
), attempted AS (
  SELECT i, task, task_id, attempt,
         CASE WHEN attempt < attempts THEN 2 WHEN kind = 'retried' THEN lines - 2 ELSE lines END AS count,
         CASE attempt WHEN 0 THEN created_at WHEN 1 THEN started_at ELSE started_at + interval '15 s' END AS began_at,
         CASE WHEN attempt < attempts THEN failed_at ELSE finished_at END AS ended_at
  FROM timed CROSS JOIN generate_series(least(attempts, 1), attempts) AS attempt
), told AS (
  INSERT INTO syncline.log_events (task, attempt, line, at, level, message)
  SELECT task, attempt, line, began_at + (ended_at - began_at) * (line::float8 / count),
         'info', '[' || task_id || '] Loaded batch ' || line || ' of ' || count || ': 1000 rows, 12 columns'
  FROM attempted CROSS JOIN generate_series(1, count - 1) AS line
  ORDER BY i, attempt, line
)
INSERT INTO syncline.events (task, version, type, at, status, attempt, worker, data, line, xid)
SELECT task, version, type,
       CASE step WHEN 0 THEN created_at WHEN 1 THEN started_at WHEN 2 THEN failed_at WHEN 3 THEN started_at + interval '15 s'
                 WHEN 4 THEN finished_at - interval '0.5 s' ELSE finished_at END,
       status, attempt, CASE WHEN attempt > 0 THEN %(worker)s::uuid END,
       CASE type
         WHEN 'TaskScheduled' THEN jsonb_build_object(
           'source', source, 'collection', collection, 'source_type', 'synthetic', 'trigger', 'api', 'fire_time', NULL,
           'priority', 300000000000000 - floor(extract(epoch FROM created_at))::bigint, 'max_attempts', 3)
         WHEN 'AttemptFailed' THEN jsonb_build_object('error', 'the connection was lost', 'run_at', failed_at + interval '10 s',
                                                      'seconds', 5.0, 'attempts_left', 2, 'delay_seconds', 10)
         WHEN 'TaskFailed' THEN jsonb_build_object('error', 'the source refuses this password', 'seconds', seconds)
         WHEN 'TaskSucceeded' THEN jsonb_build_object('seconds', seconds)
         WHEN 'BookmarkSaved' THEN jsonb_build_object('destination', 'nowhere', 'rows', mod(chance, 5000), 'generation', 0,
                                                      'commit', 1, 'bookmark', jsonb_build_object('id', i))
         ELSE '{}' END,
       CASE type WHEN 'TaskStarted' THEN 0 WHEN 'AttemptFailed' THEN 2
                 WHEN 'TaskCanceled' THEN lines WHEN 'TaskFailed' THEN lines
                 WHEN 'TaskSucceeded' THEN CASE kind WHEN 'retried' THEN lines - 2 ELSE lines END END,
       (%(xid)s::bigint + round * %(transactions)s + step)::text::xid8
FROM timed JOIN (VALUES
  ('plain', 1, 'TaskScheduled', 'SCHEDULED', 0, 0), ('plain', 2, 'TaskStarted', 'RUNNING', 1, 1),
  ('plain', 3, 'TaskSucceeded', 'SUCCESS', 1, 5),
  ('saved', 1, 'TaskScheduled', 'SCHEDULED', 0, 0), ('saved', 2, 'TaskStarted', 'RUNNING', 1, 1),
  ('saved', 3, 'BookmarkSaved', 'RUNNING', 1, 4), ('saved', 4, 'TaskSucceeded', 'SUCCESS', 1, 5),
  ('failed', 1, 'TaskScheduled', 'SCHEDULED', 0, 0), ('failed', 2, 'TaskStarted', 'RUNNING', 1, 1),
  ('failed', 3, 'TaskFailed', 'FAILED', 1, 5),
  ('retried', 1, 'TaskScheduled', 'SCHEDULED', 0, 0), ('retried', 2, 'TaskStarted', 'RUNNING', 1, 1),
  ('retried', 3, 'AttemptFailed', 'SCHEDULED', 1, 2), ('retried', 4, 'TaskStarted', 'RUNNING', 2, 3),
  ('retried', 5, 'TaskSucceeded', 'SUCCESS', 2, 5),
  ('canceled', 1, 'TaskScheduled', 'SCHEDULED', 0, 0), ('canceled', 2, 'TaskCanceled', 'CANCELED', 0, 5)
) AS life (kind, version, type, status, attempt, step) USING (kind)
ORDER BY i, version
