-- The feed: all events in the order of their positions. Those of a transaction have one position, and are ordered by task and
-- version among them.

-- name: next_events
-- The events after place ($1, $2, $3), at most $5 of those that the filters $6 (types), $7 (source) and $8 (collection) let
-- through, among the next $4. A last row, without a type, says in `details` how far this has read: how many events, and the
-- place of the last one; what retention has removed; and whether the store has the event at that place ($9: it is one; $10: its
-- check, 0 if it is not known) or has come as far as the position.
--
-- Below the horizon all transactions have ended, so no event can appear before one that was read (see `next_transactions`).
-- The index has positions alone: by these the next events are found, with all of their last transaction, and then sorted.
-- Asked for the whole order at once, the planner would read and sort all events that are left, for every page.
WITH horizon AS MATERIALIZED (
  SELECT syncline.position(pg_snapshot_xmin(pg_current_snapshot())) AS xid
), next AS MATERIALIZED (
  SELECT * FROM (
    SELECT {columns_of_feed} FROM syncline.events e
    WHERE e.xid >= $1 AND (e.xid, e.task, e.version) > ($1, $2, $3) AND e.xid < (SELECT xid FROM horizon)
    ORDER BY e.xid FETCH FIRST ($4::bigint) ROWS WITH TIES
  ) AS whole
  ORDER BY xid, task, version LIMIT $4
), wanted AS (
  SELECT n.*, s.source, s.collection
  FROM next n CROSS JOIN LATERAL {subject} AS s
  WHERE ($6::text[] IS NULL OR n.type = ANY ($6)) AND ($7::text IS NULL OR s.source = $7)
    AND ($8::text IS NULL OR s.collection = $8)
  ORDER BY n.xid, n.task, n.version LIMIT $5
)
SELECT xid, task, version, type, v, at, status, attempt, worker, source, collection, data::text AS details FROM wanted
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, jsonb_build_object(
  'read', (SELECT count(*) FROM next),
  'last', (SELECT jsonb_build_array(xid, task, version, {check}) FROM next ORDER BY xid DESC, task DESC, version DESC LIMIT 1),
  'gone_upto', (SELECT gone_upto FROM syncline.retention),
  'is_known', CASE WHEN $9::boolean THEN EXISTS (
                     SELECT FROM syncline.events
                     WHERE task = $2 AND version = $3 AND xid = $1 AND ($10::bigint = 0 OR $10 = {check})
                   )
                   ELSE $1 < (SELECT xid FROM horizon) END
)::text
ORDER BY xid, task, version

-- name: events_before
-- The last events before place ($1, $2, $3) and not beyond position $4, newest first: at most $6 of those that `is_found`
-- says, among the last $5. Each with how many were looked at, and the place and time of the first of these.
-- As in `next_events`, positions alone find them.
WITH next AS MATERIALIZED (
  SELECT * FROM (
    SELECT {columns_of_feed} FROM syncline.events e
    WHERE e.xid <= least($1, $4::xid8) AND (e.xid, e.task, e.version) < ($1, $2, $3) AND e.xid < {horizon}
    ORDER BY e.xid DESC FETCH FIRST ($5::bigint) ROWS WITH TIES
  ) AS whole
  ORDER BY xid DESC, task DESC, version DESC LIMIT $5
), found AS (
  SELECT n.*, s.source, s.collection FROM next n CROSS JOIN LATERAL {subject} AS s WHERE {is_found}
  ORDER BY n.xid DESC, n.task DESC, n.version DESC LIMIT $6
)
SELECT {found_and_looked_at}
LEFT JOIN (SELECT xid, task, version, at FROM next ORDER BY xid, task, version LIMIT 1) AS l ON true
LEFT JOIN found f ON true
ORDER BY f.xid DESC, f.task DESC, f.version DESC

-- name: events_after
-- The same in the other direction: the first events after the place, oldest first.
WITH next AS MATERIALIZED (
  SELECT * FROM (
    SELECT {columns_of_feed} FROM syncline.events e
    WHERE e.xid >= $1 AND (e.xid, e.task, e.version) > ($1, $2, $3) AND e.xid <= $4::xid8 AND e.xid < {horizon}
    ORDER BY e.xid FETCH FIRST ($5::bigint) ROWS WITH TIES
  ) AS whole
  ORDER BY xid, task, version LIMIT $5
), found AS (
  SELECT n.*, s.source, s.collection FROM next n CROSS JOIN LATERAL {subject} AS s WHERE {is_found}
  ORDER BY n.xid, n.task, n.version LIMIT $6
)
SELECT {found_and_looked_at}
LEFT JOIN (SELECT xid, task, version, at FROM next ORDER BY xid DESC, task DESC, version DESC LIMIT 1) AS l ON true
LEFT JOIN found f ON true
ORDER BY f.xid, f.task, f.version

-- name: events_of_task_before
-- As `events_before`, of task $13 alone: in its stream, positions rise with versions.
WITH next AS MATERIALIZED (
  SELECT {columns_of_feed} FROM syncline.events e
  WHERE e.task = $13 AND (e.xid, e.task, e.version) < ($1, $2, $3) AND e.xid <= $4::xid8 AND e.xid < {horizon}
  ORDER BY e.version DESC LIMIT $5
), found AS (
  SELECT n.*, s.source, s.collection FROM next n CROSS JOIN LATERAL {subject} AS s WHERE {is_found}
  ORDER BY n.version DESC LIMIT $6
)
SELECT {found_and_looked_at}
LEFT JOIN (SELECT xid, task, version, at FROM next ORDER BY version LIMIT 1) AS l ON true
LEFT JOIN found f ON true
ORDER BY f.version DESC

-- name: events_of_task_after
-- As `events_after`, of task $13 alone.
WITH next AS MATERIALIZED (
  SELECT {columns_of_feed} FROM syncline.events e
  WHERE e.task = $13 AND (e.xid, e.task, e.version) > ($1, $2, $3) AND e.xid <= $4::xid8 AND e.xid < {horizon}
  ORDER BY e.version LIMIT $5
), found AS (
  SELECT n.*, s.source, s.collection FROM next n CROSS JOIN LATERAL {subject} AS s WHERE {is_found}
  ORDER BY n.version LIMIT $6
)
SELECT {found_and_looked_at}
LEFT JOIN (SELECT xid, task, version, at FROM next ORDER BY version DESC LIMIT 1) AS l ON true
LEFT JOIN found f ON true
ORDER BY f.version

-- name: position_after
-- The position of the first stream that began after $1; null if there is none. Whatever happened before has a lower one, or one of
-- about that time.
SELECT xid FROM syncline.events WHERE task >= {first_id} AND version = 1 ORDER BY task LIMIT 1

-- name: last_event
-- The place of the last event below the horizon, and not beyond position $1 if that is given.
SELECT xid, task, version, at FROM syncline.events
WHERE xid < syncline.position(pg_snapshot_xmin(pg_current_snapshot())) AND xid <= coalesce($1, '18446744073709551615'::xid8)
ORDER BY xid DESC, task DESC, version DESC LIMIT 1

-- name: gone_upto
-- The position up to which retention may have removed events; null if it has removed none.
SELECT gone_upto FROM syncline.retention

-- name: installation
-- An id of this store: of its random key, so it moves with it.
SELECT left(encode(sha256('installation'::bytea || key), 'hex'), 32)::uuid AS id FROM syncline.digest_key
