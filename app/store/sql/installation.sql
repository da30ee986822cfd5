-- What `syncline doctor` asks the database. Nothing here writes.

-- name: server
-- The server and the database of this session.
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS number,
       pg_encoding_to_char(encoding) AS encoding, pg_is_in_recovery() AS standby
FROM pg_database WHERE datname = current_database()

-- name: defaults_to_read_only
-- Whether new transactions of this session write nothing.
SELECT current_setting('default_transaction_read_only')::boolean

-- name: settings
-- The settings of this session with these names.
SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[]) ORDER BY name

-- name: process
-- The server's process for this session.
SELECT pg_backend_pid()

-- name: identity
-- What distinguishes this database from all others.
SELECT oid::bigint AS database, pg_postmaster_start_time() AS started FROM pg_database WHERE datname = current_database()

-- name: connections
-- How many connections clients have, and how many they may have.
SELECT (SELECT count(*) FROM pg_stat_activity WHERE coalesce(backend_type, 'client backend') = 'client backend') AS used,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS possible

-- name: login
-- The login and the role that it acts as.
SELECT session_user::text AS login, current_user::text AS role, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user

-- name: roles
-- Which of these roles exist, and which of them the session's role may use.
SELECT w.name, r.oid IS NOT NULL AS exists, coalesce(pg_has_role(current_user, r.oid, 'USAGE'), false) AS usable
FROM unnest($1::text[]) WITH ORDINALITY AS w (name, ordinal) LEFT JOIN pg_roles r ON r.rolname = w.name
ORDER BY w.ordinal

-- name: owners
-- The owners of the schema's tables, and whether the session's role may act as them.
SELECT DISTINCT pg_get_userbyid(c.relowner)::text AS owner, pg_has_role(current_user, c.relowner, 'USAGE') AS usable
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'syncline' AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'

-- name: may_create
-- Whether the session's role may create a schema in this database.
SELECT has_database_privilege(current_user, current_database(), 'CREATE')

-- name: missing_rights
-- What role $1 may not do with the tables that there are, although API and workers do it.
SELECT n.nspname::text AS object, 'USAGE' AS right FROM pg_namespace n
WHERE n.nspname = 'syncline' AND NOT has_schema_privilege($1, n.oid, 'USAGE')
UNION ALL
SELECT n.nspname || '.' || c.relname, r.right
FROM (VALUES (ARRAY['log_events', 'fire_times'], ARRAY['SELECT', 'INSERT']),
             (ARRAY['collections', 'tasks', 'bookmarks', 'schedules', 'workers', 'resets', 'checkpoints',
                    'daily_collection_stats', 'daily_collection_histogram', 'table_schemas', 'renewed_configs', 'catalogues',
                    'catalogue_parts', 'pauses', 'outages'],
              ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
             (ARRAY['catalogue_content'], ARRAY['SELECT', 'UPDATE']),
             (ARRAY['sync_requests'], ARRAY['SELECT', 'UPDATE', 'DELETE']),
             (ARRAY['alembic_version', 'all_tasks', 'api_tokens', 'current_seals', 'digest_key', 'event_lines', 'log_lines',
                    'events', 'redactions', 'retention', 'retired_failures', 'sealed_streams', 'seals'],
              ARRAY['SELECT'])) AS w (names, rights)
CROSS JOIN unnest(w.rights) AS r ("right")
JOIN pg_class c ON c.relname = ANY (w.names) JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'syncline' AND NOT has_table_privilege($1, c.oid, r.right)
UNION ALL
-- The position of an event is the database's.
SELECT DISTINCT n.nspname || '.' || c.relname, 'INSERT'
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'syncline' AND c.relname = 'events' AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'xid'
  AND NOT has_column_privilege($1, c.oid, a.attnum, 'INSERT')

-- name: clock
-- The server's clock, and the time zone of a session that asks for none.
SELECT clock_timestamp() AS at, current_setting('TimeZone') AS zone

-- name: open_transactions
-- The open transactions of the whole server that others wait for: statistics for those with an id, vacuum for all. Their
-- age in seconds is null if the login may not see it.
SELECT pid, datname::text AS database, coalesce(usename::text, '?') AS login, application_name AS application, state,
       backend_xid IS NOT NULL AS has_id, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_stat_activity
WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND pid <> pg_backend_pid()
  AND coalesce(backend_type, 'client backend') = 'client backend'
ORDER BY xact_start, pid

-- name: prepared_transactions
-- The prepared transactions of the whole server, oldest first.
SELECT gid, database::text AS database, owner::text AS owner, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
FROM pg_prepared_xacts ORDER BY prepared

-- name: replication_slots
-- The replication slots, and how many bytes of WAL each holds; null if that cannot be known.
SELECT slot_name::text AS name, active,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END AS bytes
FROM pg_replication_slots ORDER BY slot_name

-- name: workers
-- The workers whose lease has not ended, and those that were lost in the last hour.
SELECT w.host, w.pid, w.release, w.slots, w.state IN ('active', 'draining') AND w.lease_until > syncline.clock() AS alive,
       (SELECT count(*) FROM syncline.collections c WHERE c.worker = w.worker AND c.status = 'RUNNING') AS running
FROM syncline.workers w
WHERE w.state IN ('active', 'draining') OR (w.state = 'lost' AND w.renewed_at > syncline.clock() - interval '1 hour')
ORDER BY w.started_at

-- name: queue
-- How many tasks could start now, the age in seconds of the oldest one, how many wait in a pause, and how many run.
SELECT count(*) FILTER (WHERE ready AND NOT paused) AS ready, count(*) FILTER (WHERE ready AND paused) AS paused,
       count(*) FILTER (WHERE status = 'RUNNING') AS running,
       extract(epoch FROM syncline.clock() - min(run_at) FILTER (WHERE ready AND NOT paused))::float8 AS seconds
FROM (SELECT s.status, s.run_at, s.status = 'SCHEDULED' AND s.run_at <= syncline.clock() AS ready, {is_paused} AS paused
      FROM syncline.collections s WHERE s.status IN ('SCHEDULED', 'RUNNING')) AS q

-- name: held_up
-- The destinations that cannot be reached, since when and why, and how many queued tasks wait for each.
SELECT o.destination, o.since, extract(epoch FROM syncline.clock() - o.since)::float8 AS seconds, o.error,
       (SELECT count(*) FROM syncline.collections c WHERE c.status = 'SCHEDULED' AND c.source = ANY (o.sources)) AS tasks
FROM syncline.outages o WHERE o.probe_at > syncline.clock() - interval '1 hour'
ORDER BY o.destination

-- name: unserved_pools
-- The pools with tasks that could start now, none of which any worker will claim: how many tasks, since when and for how many
-- seconds the first one has waited. A worker without pools claims the tasks of all.
SELECT s.pool, count(*) AS tasks, min(s.run_at) AS since, extract(epoch FROM syncline.clock() - min(s.run_at))::float8 AS seconds
FROM syncline.collections s
WHERE s.status = 'SCHEDULED' AND s.run_at <= syncline.clock() AND NOT {is_paused} AND NOT EXISTS (
  SELECT FROM syncline.workers w
  WHERE w.state = 'active' AND w.lease_until > syncline.clock() AND (w.pools = '{}' OR s.pool = ANY (w.pools))
)
GROUP BY s.pool ORDER BY s.pool

-- name: schedules
-- How many schedules are active, and how many should have fired $1 ago although their collection has no active task; of
-- these the first one, and its age in seconds.
SELECT count(*) AS active, count(*) FILTER (WHERE late) AS late,
       (array_agg(source || '.' || collection ORDER BY next_fire_at) FILTER (WHERE late))[1] AS first,
       extract(epoch FROM syncline.clock() - min(next_fire_at) FILTER (WHERE late))::float8 AS seconds
FROM (
  SELECT s.source, s.collection, s.next_fire_at, s.next_fire_at < syncline.clock() - $1::interval AND NOT EXISTS (
    SELECT FROM syncline.collections c
    WHERE c.source = s.source AND c.collection = s.collection AND c.status IN ('SCHEDULED', 'RUNNING')
  ) AS late
  FROM syncline.schedules s WHERE s.active
) AS s

-- name: seals
-- How many weeks were sealed, the newest one, and those that retention keeps: they are not as they were sealed, or not archived.
SELECT count(*) AS weeks, max(s.week) AS newest, (SELECT differing_weeks FROM syncline.retention) AS differing,
       (SELECT unarchived_weeks FROM syncline.retention) AS unarchived
FROM syncline.seals s WHERE s.replaces = '{}'

-- name: error_events
-- The last 200 of the last 100,000 events that are errors. Their data is left out: texts of errors may quote rows.
SELECT e.task::text AS task, e.version, e.type, e.at::text AS at, e.status, e.attempt, t.source, t.collection, t.source_type
FROM (SELECT * FROM syncline.events ORDER BY xid DESC LIMIT 100000) AS e LEFT JOIN syncline.all_tasks t ON t.task = e.task
WHERE e.type IN ('AttemptFailed', 'AttemptRescued', 'TaskFailed')
ORDER BY e.xid DESC, e.version DESC LIMIT 200
