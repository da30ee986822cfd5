-- What became of fire times, for the timeline.

-- name: outcomes
-- Of the fire times of each of the collections ($1, $2) from $3 on and before $4, in each span of $5 seconds: how many there
-- were, and the one that matters most, with what had become of it and of its task at moment $6, that is, after the events up to
-- time $7 and position $8: a failed one, else a missed one, a skipped one, a paused one, a canceled one, any other. The last one of
-- those that are equal.
--
-- A collection has one task at a time, so all but its last one had ended; and an index has those that did not succeed. Only what is
-- returned is looked up in full.
WITH unsuccessful AS MATERIALIZED (
  SELECT t.task, t.status FROM syncline.tasks t
  WHERE t.status <> 'SUCCESS' AND t.finished_at <= $6
    AND (t.source, t.collection) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND t.task >= syncline.uuid7_floor(greatest($3::timestamptz - interval '1 hour', timestamptz '1970-01-01 00:00:00Z')) -- clocks differ
), fired AS MATERIALIZED (
  SELECT d.nth, f.fire_time, f.outcome, f.reason, f.task
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS d (source, collection, nth)
  JOIN syncline.fire_times f ON f.source = d.source AND f.collection = d.collection
  WHERE f.fire_time >= $3 AND f.fire_time < $4 AND f.decided_at <= $6
), spans AS MATERIALIZED (
  SELECT nth, floor(date_part('epoch', fire_time - $3) / $5::float8)::integer AS span,
         count(*) AS fire_times, max(fire_time) FILTER (WHERE outcome = 'started') AS last_started,
         -- The rank, and then the time, which counts backwards in microseconds: the minimum is the last one of those that matter most.
         min(CASE WHEN status = 'FAILED' THEN 1 WHEN outcome = 'missed' THEN 2 WHEN reason = 'paused' THEN 4
                  WHEN outcome = 'skipped' THEN 3 WHEN status = 'CANCELED' THEN 5 ELSE 6 END * 1000000000000000000
             - (date_part('epoch', fire_time) * 1000000)::bigint) AS key
  FROM (SELECT * FROM fired FULL JOIN unsuccessful USING (task) OFFSET 0) AS joined -- never a nested loop, whatever is expected
  WHERE nth IS NOT NULL
  GROUP BY nth, span
), chosen AS (
  SELECT *, max(last_started) OVER (PARTITION BY nth) AS last_of_all,
         timestamptz 'epoch' + (1000000000000000000 - mod(key + 1000000000000000000, 1000000000000000000)) * interval '1 microsecond'
           AS fire_time
  FROM spans
)
SELECT f.source, f.collection, c.span, c.fire_times, c.fire_time, f.reason, f.misfire, f.decided_at, f.task,
       CASE WHEN f.outcome = 'missed' THEN 'missed' WHEN f.outcome = 'skipped' AND f.reason = 'paused' THEN 'paused'
            WHEN f.outcome = 'skipped' THEN 'skipped' WHEN t.status = 'FAILED' THEN 'failed' WHEN t.status = 'CANCELED' THEN 'canceled'
            WHEN t.status = 'RUNNING' THEN 'running' WHEN t.status = 'SCHEDULED' THEN 'waiting'
            WHEN t.status = 'SUCCESS' THEN 'succeeded' ELSE 'started' END AS state -- retention may have removed the task
FROM chosen c
CROSS JOIN LATERAL (
  SELECT * FROM syncline.fire_times f
  WHERE f.source = ($1::text[])[c.nth] AND f.collection = ($2::text[])[c.nth] AND f.fire_time = c.fire_time
) AS f
LEFT JOIN LATERAL (
  SELECT status FROM syncline.tasks t WHERE t.task = f.task AND t.finished_at <= $6
  UNION ALL
  SELECT status FROM syncline.folded(f.task, $7, $8)
  WHERE f.fire_time = c.last_of_all
    AND NOT EXISTS (SELECT FROM syncline.tasks t WHERE t.task = f.task AND t.finished_at <= $6)
  LIMIT 1
) AS t ON true
ORDER BY c.nth, c.span
