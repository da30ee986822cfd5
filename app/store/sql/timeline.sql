-- What became of fire times, for the timeline.

-- name: outcomes
-- Of the fire times of each of the collections ($1, $2) from $3 on and before $4, in each span of $5 seconds: how many there
-- were, and the one that matters most, with what had become of it and of its task at moment $6, that is, after the events up to
-- time $7 and position $8. The last one of those that are equal.
SELECT DISTINCT ON (source, collection, span)
       source, collection, span, count(*) OVER (PARTITION BY source, collection, span) AS fire_times,
       fire_time, state, reason, misfire, decided_at, task
FROM (
  SELECT f.*, floor(extract(epoch FROM f.fire_time - $3) / $5::float8)::integer AS span, s.state,
         array_position(ARRAY['failed', 'missed', 'skipped', 'paused', 'canceled', 'running', 'waiting', 'succeeded', 'started'],
                        s.state) AS rank
  FROM unnest($1::text[], $2::text[]) AS d (source, collection)
  CROSS JOIN LATERAL (
    SELECT * FROM syncline.fire_times f
    WHERE f.source = d.source AND f.collection = d.collection AND f.fire_time >= $3 AND f.fire_time < $4 AND f.decided_at <= $6
  ) AS f
  LEFT JOIN LATERAL (
    SELECT status FROM syncline.tasks t WHERE t.task = f.task AND t.finished_at <= $6
    UNION ALL
    SELECT status FROM syncline.folded(f.task, $7, $8)
    WHERE NOT EXISTS (SELECT FROM syncline.tasks t WHERE t.task = f.task AND t.finished_at <= $6)
    LIMIT 1
  ) AS t ON true
  CROSS JOIN LATERAL (
    SELECT CASE WHEN f.outcome = 'missed' THEN 'missed' WHEN f.outcome = 'skipped' AND f.reason = 'paused' THEN 'paused'
                WHEN f.outcome = 'skipped' THEN 'skipped' WHEN t.status = 'FAILED' THEN 'failed' WHEN t.status = 'CANCELED' THEN 'canceled'
                WHEN t.status = 'RUNNING' THEN 'running' WHEN t.status = 'SCHEDULED' THEN 'waiting'
                WHEN t.status = 'SUCCESS' THEN 'succeeded' ELSE 'started' END AS state -- retention may have removed the task
  ) AS s
) AS ranked
ORDER BY source, collection, span, rank, fire_time DESC
