-- The feed: all events in the order of their positions. Those of a transaction have one position, and are ordered by task and
-- version among them.

-- name: next_events
-- The events after place ($1, $2, $3), at most $5 of those that the filters $6 (types), $7 (source) and $8 (collection) let
-- through, among the next $4. A last row, without a type, has `how_far` in `details`.
WITH {next_of_feed}
SELECT xid, task, version, type, v, at, status, attempt, worker, {subject_of_next} ->> 'source' AS source,
       {subject_of_next} ->> 'collection' AS collection, data::text AS details
FROM wanted n
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {how_far}
ORDER BY xid, task, version

-- name: next_documents
-- The same events in JSON, as `FeedEvent.document` has them, and `how_far` in the last row. $11 has what stands in them between id and
-- version of the type, by type. A document is null if its type is not there.
--
-- Few and long pieces take the least time. What all events of a task have in common is made once: two pieces with a line break
-- between them, which JSON has escaped; the second is empty if a name is missing.
WITH {next_of_feed}, pieces AS MATERIALIZED (
  SELECT jsonb_object_agg(
    task::text,
    '"' || coalesce(',"subject":' || to_json(nullif(source, '') || coalesce('/' || nullif(collection, ''), ''))::text, '')
      || ',"time":"' || E'\n'
      || coalesce('","data":{"task_id":' || to_json(source || '_' || collection || '_' || task)::text || ',"source":'
                    || to_json(source)::text || ',"collection":' || to_json(collection)::text || ',"version":', '')
  ) AS of_tasks FROM firsts
)
SELECT document FROM (
  SELECT xid, task, version,
         '{"specversion":"1.0","id":"' || xid || '.' || task || '.' || version
           || coalesce('.' || lpad(to_hex(nullif({check}, 0)), 8, '0'), '') || ($11::jsonb ->> type) || v || split_part(piece, E'\n', 1)
           || replace(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000Z', 'Z')
           || coalesce(
                nullif(split_part(piece, E'\n', 2), '') || version || ',"status":"' || status || '","attempt":' || attempt
                  || coalesce(',"worker":"' || worker || '","details":', ',"details":'),
                '","data":{' || coalesce('"source":' || to_json({subject_of_next} ->> 'source')::text || ',', '')
                  || coalesce('"collection":' || to_json({subject_of_next} ->> 'collection')::text || ',', '') || '"details":'
              )
           || data::text || '}}' AS document
  FROM (SELECT *, (SELECT of_tasks FROM pieces) ->> task::text AS piece FROM wanted ORDER BY xid, task, version OFFSET 0) AS n
  UNION ALL
  SELECT NULL, NULL, NULL, {how_far}
) AS page
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
