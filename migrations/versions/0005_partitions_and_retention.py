"""Weekly partitions, created ahead of time, and retention, which merges the oldest ones

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import op

if TYPE_CHECKING:
    from collections.abc import Callable

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
-- How often tasks were retired, and the day before which events are no longer complete: its statistics are final.
CREATE TABLE IF NOT EXISTS syncline.retention (
  one           boolean     NOT NULL DEFAULT true CONSTRAINT retention_one CHECK (one),
  rounds        bigint      NOT NULL,
  sealed_before date,
  logs_seen_at  timestamptz,
  CONSTRAINT retention_pkey PRIMARY KEY (one)
) WITH (fillfactor = 50);
INSERT INTO syncline.retention (rounds) VALUES (0) ON CONFLICT DO NOTHING;

-- Failed tasks whose events are gone and that consecutive_failures counts, as long as the last success is this task.
CREATE TABLE IF NOT EXISTS syncline.retired_failures (
  source     text    NOT NULL,
  collection text    NOT NULL,
  success    uuid,
  failures   integer NOT NULL,
  CONSTRAINT retired_failures_pkey PRIMARY KEY (source, collection)
) WITH (fillfactor = 50);
"""

BOUNDS = """
CREATE FUNCTION syncline.uuid7_time(task uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT to_timestamp(('x' || substr(replace(task::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0)
$$;

-- The partitions of a table, lowest first; `low` null is MINVALUE. Bounds are times: those of a UUIDv7, or of a fire time.
CREATE FUNCTION syncline.partitions_of(parent text)
RETURNS TABLE (partition text, low timestamptz, high timestamptz) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
  SELECT p.relname::text, b.bound[1], b.bound[2]
  FROM (
    SELECT c.relname, regexp_match(pg_get_expr(c.relpartbound, c.oid), $r$^FOR VALUES FROM \\((.*)\\) TO \\('(.*)'\\)$r$) AS bound
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ('syncline.' || parent)::regclass AND c.relpartbound IS NOT NULL
  ) AS p
  CROSS JOIN LATERAL (
    SELECT array_agg(CASE WHEN bound = 'MINVALUE' THEN NULL
                          WHEN parent = 'fire_times' THEN bound::timestamptz
                          ELSE syncline.uuid7_time(bound::uuid) END ORDER BY place) AS bound
    FROM unnest(ARRAY[trim(p.bound[1], ''''), p.bound[2]]) WITH ORDINALITY AS u (bound, place)
  ) AS b
  ORDER BY b.bound[1] NULLS FIRST
$$;

CREATE FUNCTION syncline.bound(parent text, at timestamptz) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
  SELECT CASE WHEN at IS NULL THEN 'MINVALUE' WHEN parent = 'fire_times' THEN quote_literal(at)
              ELSE quote_literal(syncline.uuid7_floor(at)) END
$$;

-- The clock's offset is a door for tests that any session could open. Age decides here what goes, so it is the owner's.
CREATE FUNCTION syncline.refuse_shifted_clock() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF coalesce(current_setting('syncline.clock_offset', true), '') <> ''
     AND NOT pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = 'syncline.events'::regclass), 'USAGE') THEN
    RAISE EXCEPTION 'syncline.clock_offset is set: only the owner of the tables may shift the clock here'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;

-- A table like the parent, not attached yet; settings for tables that are only appended to.
CREATE FUNCTION syncline.create_like(parent text, name text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('CREATE TABLE syncline.%I (LIKE syncline.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES '
                 'INCLUDING STORAGE INCLUDING COMPRESSION) WITH (autovacuum_vacuum_insert_scale_factor = 0, '
                 'autovacuum_vacuum_insert_threshold = 500000, autovacuum_analyze_scale_factor = 0, '
                 'autovacuum_analyze_threshold = 500000)', name, parent);
END $$;

-- Attaches a table under the name of its bounds. ATTACH takes a weaker lock than CREATE … PARTITION OF; the triggers for
-- rows come with it, the one for TRUNCATE does not.
CREATE FUNCTION syncline.attach(parent text, name text, low timestamptz, high timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  wanted text := parent || CASE WHEN low IS NULL THEN '_until_' || to_char(high, 'YYYYMMDD') ELSE to_char(low, '_YYYYMMDD') END;
  final text := wanted;
  number integer := 1;
BEGIN
  WHILE to_regclass(format('syncline.%I', final)) IS NOT NULL LOOP
    number := number + 1;
    final := wanted || '_' || number;
  END LOOP;
  EXECUTE format('ALTER TABLE syncline.%I RENAME TO %I', name, final);
  EXECUTE format('ALTER TABLE syncline.%I ATTACH PARTITION syncline.%I FOR VALUES FROM (%s) TO (%s)', parent, final,
                 syncline.bound(parent, low), syncline.bound(parent, high));
  EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.%I '
                 'FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()', final);
END $$;

-- Partitions without a hole from the beginning of time to the end of the third week after this one, and no default
-- partition: it would have to be searched for every new partition. Weeks begin on Monday, UTC.
CREATE FUNCTION syncline.ensure_partitions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  week timestamptz;
  parent text;
  upto timestamptz;
  following timestamptz;
  piece record;
BEGIN
  PERFORM syncline.refuse_shifted_clock();
  -- A lock that only those can take who may append: another one at this waits, appends go on.
  LOCK TABLE ONLY syncline.events IN SHARE UPDATE EXCLUSIVE MODE;
  week := date_trunc('week', syncline.clock());
  FOREACH parent IN ARRAY ARRAY['events', 'log_events', 'fire_times'] LOOP
    upto := NULL;
    FOR piece IN SELECT low, high FROM syncline.partitions_of(parent) LOOP
      IF piece.low IS DISTINCT FROM upto THEN
        PERFORM syncline.create_like(parent, parent || '_next'), syncline.attach(parent, parent || '_next', upto, piece.low);
      END IF;
      upto := piece.high;
    END LOOP;
    WHILE upto IS NULL OR upto < week + interval '4 weeks' LOOP
      following := CASE WHEN upto IS NULL OR upto < week THEN week ELSE date_trunc('week', upto) + interval '1 week' END;
      PERFORM syncline.create_like(parent, parent || '_next'), syncline.attach(parent, parent || '_next', upto, following);
      upto := following;
    END LOOP;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION syncline.ensure_log_partitions() RETURNS void LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$ SELECT syncline.ensure_partitions() $$;
COMMENT ON FUNCTION syncline.ensure_log_partitions() IS 'For workers of the release before: ensure_partitions has taken its place.';
"""

RETENTION = """
-- Runs of neighbouring partitions that end before a time and hold no active task: nothing is written there any more.
CREATE FUNCTION syncline.quiet_runs(parent text, before timestamptz)
RETURNS TABLE (partitions text[], low timestamptz, high timestamptz) LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
  WITH part AS (
    SELECT p.*, row_number() OVER (ORDER BY p.low NULLS FIRST) AS place, parent <> 'fire_times' AND EXISTS (
      SELECT FROM syncline.task_queue q WHERE (p.low IS NULL OR q.task >= syncline.uuid7_floor(p.low)) AND q.task < syncline.uuid7_floor(p.high)
    ) AS busy
    FROM syncline.partitions_of(parent) p WHERE p.high <= before
  ), island AS (
    SELECT part.*, place - row_number() OVER (PARTITION BY busy ORDER BY place) AS island FROM part
  )
  SELECT array_agg(partition ORDER BY place), (array_agg(i.low ORDER BY place))[1], max(i.high)
  FROM island i WHERE NOT busy GROUP BY island ORDER BY max(i.high)
$$;

-- The ended tasks of a range that nothing hangs on: not the last task of a collection, not its last success, not its last
-- failure, and no bookmark stands for it. Where a clock was set back some more are spared.
CREATE FUNCTION syncline.spare_tasks(low timestamptz, high timestamptz)
RETURNS TABLE (task uuid, source text, collection text, created_at timestamptz, finished_at timestamptz) LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.task, t.source, t.collection, t.created_at, t.finished_at
  FROM syncline.tasks t JOIN syncline.collection_status s USING (source, collection)
  WHERE (low IS NULL OR t.task >= syncline.uuid7_floor(low)) AND t.task < syncline.uuid7_floor(high)
    AND t.finished_at IS NOT NULL AND t.task <> s.last_task
    AND (t.status <> 'SUCCESS' OR t.finished_at < s.last_success_at)
    AND (t.status <> 'FAILED' OR t.finished_at < s.last_failure_at)
    AND NOT EXISTS (SELECT FROM syncline.task_queue q WHERE q.source = t.source AND q.collection = t.collection AND q.task = t.task)
    AND NOT EXISTS (SELECT FROM syncline.bookmarks b WHERE b.source = t.source AND b.collection = t.collection AND b.task = t.task)
$$;

-- Nothing is written to these partitions until the end of the transaction; the lock makes an autovacuum step aside.
CREATE FUNCTION syncline.still(partitions text[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY partitions LOOP
    EXECUTE format('LOCK TABLE ONLY syncline.%I IN SHARE MODE', name);
  END LOOP;
END $$;

-- Puts one table in the place of neighbouring partitions. The locks that stop everybody come last, are waited for a
-- fifth of a second at a time, and held for as long as the catalogue takes.
CREATE FUNCTION syncline.replace_partitions(parent text, partitions text[], name text, low timestamptz, high timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' SET timezone = 'UTC' AS $$
DECLARE
  key text := CASE parent WHEN 'fire_times' THEN 'fire_time' ELSE 'task' END;
  old text;
BEGIN
  -- With this ATTACH need not look at the rows.
  EXECUTE format('ALTER TABLE syncline.%I ADD CONSTRAINT bounds CHECK (%I IS NOT NULL AND %I < %s%s)', name, key, key,
                 syncline.bound(parent, high), CASE WHEN low IS NULL THEN '' ELSE format(' AND %I >= %s', key, syncline.bound(parent, low)) END);
  FOR attempt IN 1..5 LOOP
    BEGIN
      EXECUTE format('LOCK TABLE ONLY syncline.%I IN ACCESS EXCLUSIVE MODE', parent);
      EXIT;
    EXCEPTION WHEN lock_not_available THEN
      IF attempt = 5 THEN RAISE; END IF;
    END;
    PERFORM pg_sleep(0.3);
  END LOOP;
  FOREACH old IN ARRAY partitions LOOP
    EXECUTE format('ALTER TABLE syncline.%I DETACH PARTITION syncline.%I', parent, old);
    EXECUTE format('DROP TABLE syncline.%I', old);
  END LOOP;
  PERFORM syncline.attach(parent, name, low, high);
  SELECT partition INTO STRICT old FROM syncline.partitions_of(parent) p WHERE p.high = replace_partitions.high;
  EXECUTE format('ALTER TABLE syncline.%I DROP CONSTRAINT bounds', old);
END $$;

-- Retires tasks that were asked for and ended longer ago than `keep`: their events go, and their rows of `tasks`. Does
-- one run of partitions and says whether it did; false also while another one is at it. What has to stay, stays whoever calls.
CREATE FUNCTION syncline.retire_tasks(keep interval) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on AS $$
DECLARE
  cutoff timestamptz;
  run record;
  lowest uuid;
  highest uuid;
  stay uuid[];
  streams bigint;
  seen xid8;
BEGIN
  PERFORM syncline.refuse_shifted_clock();
  IF keep IS NULL OR keep < interval '1 day' THEN
    RAISE EXCEPTION 'tasks are kept for a day at least, not %', keep USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM FROM syncline.retention FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  cutoff := date_trunc('day', syncline.clock() - keep);
  FOR run IN SELECT * FROM syncline.quiet_runs('events', cutoff) LOOP
    lowest := coalesce(syncline.uuid7_floor(run.low), '00000000-0000-0000-0000-000000000000');
    highest := syncline.uuid7_floor(run.high);
    PERFORM syncline.still(run.partitions);
    CONTINUE WHEN EXISTS (SELECT FROM syncline.task_queue q WHERE q.task >= lowest AND q.task < highest);
    -- Statistics have counted all that goes; who rebuilds them waits.
    SELECT c.xid INTO seen FROM syncline.checkpoints c WHERE c.projection = 'daily_collection_stats' AND c.state = 'live' FOR SHARE;
    CONTINUE WHEN seen IS NULL OR EXISTS (
      SELECT FROM syncline.events e WHERE e.task >= lowest AND e.task < highest AND e.xid > seen
    );
    SELECT count(*), coalesce(array_agg(e.task ORDER BY e.task) FILTER (WHERE s.task IS NULL), '{}') INTO streams, stay
    FROM (SELECT DISTINCT task FROM syncline.events WHERE task >= lowest AND task < highest) AS e
    LEFT JOIN (SELECT task FROM syncline.spare_tasks(run.low, run.high) WHERE finished_at < cutoff) AS s USING (task);
    -- Neighbours are always folded together; one alone is written anew when half of it is gone.
    CONTINUE WHEN cardinality(run.partitions) = 1 AND (streams = 0 OR cardinality(stay) * 2 > streams);

    PERFORM syncline.create_like('events', 'events_kept');
    INSERT INTO syncline.events_kept
    SELECT e.* FROM unnest(stay) AS s (task) JOIN syncline.events e ON e.task = s.task ORDER BY e.task, e.version;
    IF cardinality(stay) < streams THEN
      PERFORM syncline.carry_failures(lowest, highest, stay);
      DELETE FROM syncline.tasks t
      WHERE t.task >= lowest AND t.task < highest AND NOT EXISTS (SELECT FROM unnest(stay) AS s (task) WHERE s.task = t.task);
      UPDATE syncline.retention SET sealed_before = greatest(sealed_before, cutoff::date);
    END IF;
    UPDATE syncline.retention SET rounds = rounds + 1;
    PERFORM syncline.replace_partitions('events', run.partitions, 'events_kept', run.low, run.high);
    RETURN true;
  END LOOP;
  RETURN false;
END $$;

-- Remembers how many of the failures that are about to go consecutive_failures counts: those after the last success.
CREATE FUNCTION syncline.carry_failures(lowest uuid, highest uuid, stay uuid[]) RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  WITH gone AS MATERIALIZED (
    SELECT t.source, t.collection, e.xid
    FROM syncline.events e JOIN syncline.tasks t USING (task)
    WHERE e.task >= lowest AND e.task < highest AND e.type = 'TaskFailed'
      AND NOT EXISTS (SELECT FROM unnest(stay) AS s (task) WHERE s.task = e.task)
  ), failing AS MATERIALIZED (
    SELECT s.source, s.collection, success.task, success.xid
    FROM syncline.collection_status s
    LEFT JOIN LATERAL (
      SELECT e.task, e.xid FROM syncline.tasks t JOIN syncline.events e ON e.task = t.task AND e.type = 'TaskSucceeded'
      WHERE t.source = s.source AND t.collection = s.collection AND t.status = 'SUCCESS' AND t.finished_at = s.last_success_at
      ORDER BY e.xid DESC LIMIT 1
    ) AS success ON true
    WHERE s.consecutive_failures > 0 AND (s.source, s.collection) IN (SELECT source, collection FROM gone)
  )
  INSERT INTO syncline.retired_failures AS r (source, collection, success, failures)
  SELECT source, collection, f.task, count(*)
  FROM failing f JOIN gone g USING (source, collection)
  WHERE f.xid IS NULL OR g.xid > f.xid
  GROUP BY source, collection, f.task
  ON CONFLICT (source, collection) DO UPDATE
  SET success = excluded.success,
      failures = excluded.failures + CASE WHEN r.success IS NOT DISTINCT FROM excluded.success THEN r.failures ELSE 0 END
$$;

-- Retires the log lines of all but the last `last_runs` tasks of each collection (null keeps all), and of tasks whose
-- events are gone; what spare_tasks does not name keeps its lines. This week's stay; those older than `keep` (null: for
-- ever) are folded together. Says whether it did something: then it wants to be called again.
CREATE FUNCTION syncline.retire_logs(last_runs integer, keep interval) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET jit = off SET plan_cache_mode = force_custom_plan
SET enable_seqscan = on SET enable_bitmapscan = on SET enable_hashjoin = on SET enable_mergejoin = on AS $$
DECLARE
  cutoff timestamptz;
  run record;
  lowest uuid;
  highest uuid;
  stay uuid[];
  logs bigint;
BEGIN
  PERFORM syncline.refuse_shifted_clock();
  IF last_runs < 1 OR keep < interval '1 day' THEN
    RAISE EXCEPTION 'logs are kept for a run and a day at least' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM FROM syncline.retention
  WHERE (syncline.clock() BETWEEN logs_seen_at AND logs_seen_at + interval '20 hours') IS NOT TRUE FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  cutoff := coalesce(date_trunc('day', syncline.clock() - keep), '-infinity');
  FOR run IN
    SELECT r.* FROM syncline.quiet_runs('log_events', cutoff) r
    UNION ALL
    SELECT ARRAY[o.name], p.low, p.high
    FROM syncline.quiet_runs('log_events', date_trunc('week', syncline.clock())) r CROSS JOIN unnest(r.partitions) AS o (name)
    JOIN syncline.partitions_of('log_events') p ON p.partition = o.name
    WHERE p.high > cutoff
  LOOP
    lowest := coalesce(syncline.uuid7_floor(run.low), '00000000-0000-0000-0000-000000000000');
    highest := syncline.uuid7_floor(run.high);
    PERFORM syncline.still(run.partitions);
    CONTINUE WHEN EXISTS (SELECT FROM syncline.task_queue q WHERE q.task >= lowest AND q.task < highest);
    WITH RECURSIVE line AS (
      (SELECT task FROM syncline.log_events WHERE task >= lowest AND task < highest ORDER BY task LIMIT 1)
      UNION ALL
      SELECT (SELECT l.task FROM syncline.log_events l WHERE l.task > line.task AND l.task < highest ORDER BY l.task LIMIT 1)
      FROM line WHERE line.task IS NOT NULL
    ), spare AS MATERIALIZED (
      SELECT * FROM syncline.spare_tasks(run.low, run.high)
    ), newest AS MATERIALIZED (
      SELECT c.source, c.collection, n.created_at, n.task
      FROM (SELECT DISTINCT source, collection FROM spare) AS c CROSS JOIN LATERAL (
        SELECT t.created_at, t.task FROM syncline.tasks t WHERE t.source = c.source AND t.collection = c.collection
        ORDER BY t.created_at DESC, t.task DESC OFFSET last_runs - 1 LIMIT 1
      ) AS n
      WHERE last_runs IS NOT NULL
    ), old AS MATERIALIZED (
      SELECT s.task FROM spare s JOIN newest n USING (source, collection) WHERE (s.created_at, s.task) < (n.created_at, n.task)
    )
    SELECT count(*), coalesce(array_agg(l.task ORDER BY l.task) FILTER (WHERE o.task IS NULL
             AND EXISTS (SELECT FROM syncline.events e WHERE e.task = l.task)), '{}')
    INTO logs, stay
    FROM line l LEFT JOIN old o USING (task) WHERE l.task IS NOT NULL;
    CONTINUE WHEN cardinality(run.partitions) = 1 AND (logs = 0 OR cardinality(stay) * 2 > logs);

    PERFORM syncline.create_like('log_events', 'log_events_kept');
    INSERT INTO syncline.log_events_kept
    SELECT l.* FROM unnest(stay) AS s (task) JOIN syncline.log_events l ON l.task = s.task ORDER BY l.task, l.attempt, l.line;
    PERFORM syncline.replace_partitions('log_events', run.partitions, 'log_events_kept', run.low, run.high);
    RETURN true;
  END LOOP;
  UPDATE syncline.retention SET logs_seen_at = syncline.clock();
  RETURN false;
END $$;

-- Retires fire times older than `keep`, but none that an active schedule has still to decide.
CREATE FUNCTION syncline.retire_fire_times(keep interval) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  run record;
BEGIN
  PERFORM syncline.refuse_shifted_clock();
  IF keep IS NULL OR keep < interval '1 day' THEN
    RAISE EXCEPTION 'fire times are kept for a day at least, not %', keep USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM FROM syncline.retention FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  FOR run IN SELECT * FROM syncline.quiet_runs('fire_times', least(
    date_trunc('day', syncline.clock() - keep), (SELECT min(next_fire_at) FROM syncline.schedules WHERE active)
  )) LOOP
    PERFORM syncline.still(run.partitions);
    CONTINUE WHEN cardinality(run.partitions) = 1 AND NOT EXISTS (SELECT FROM syncline.fire_times WHERE fire_time < run.high);
    PERFORM syncline.create_like('fire_times', 'fire_times_kept');
    PERFORM syncline.replace_partitions('fire_times', run.partitions, 'fire_times_kept', run.low, run.high);
    RETURN true;
  END LOOP;
  RETURN false;
END $$;
"""

# Existing tables become the first partition. It ends with the last month that has log lines, or with this week, so that
# events and log lines have equal bounds from there on; or later, if a clock that was ahead has created later tasks.
PARTITIONED = """
DO $$
DECLARE
  month text;
  filled boolean;
  first timestamptz;
  bound timestamptz := date_trunc('week', syncline.clock() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 week';
  relation text;
  key text;
  last timestamptz;
BEGIN
  FOR month IN SELECT p.partition FROM syncline.partitions_of('log_events') p LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM syncline.%I)', month) INTO filled;
    IF NOT filled THEN
      EXECUTE format('DROP TABLE syncline.%I', month);
    END IF;
  END LOOP;
  SELECT greatest(bound, max(high)), min(low) INTO bound, first FROM syncline.partitions_of('log_events');
  PERFORM syncline.create_like('log_events', 'log_events_next'), syncline.attach('log_events', 'log_events_next', NULL, coalesce(first, bound));
  FOREACH relation IN ARRAY ARRAY['events', 'fire_times'] LOOP
    key := CASE relation WHEN 'events' THEN 'task' ELSE 'fire_time' END;
    EXECUTE format('SELECT %s FROM (SELECT %I AS key FROM syncline.%I ORDER BY 1 DESC LIMIT 1) AS t',
                   CASE relation WHEN 'events' THEN 'syncline.uuid7_time(key)' ELSE 'key' END, key, relation) INTO last;
    last := greatest(bound, date_trunc('week', last AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 week');
    EXECUTE format('DROP TRIGGER append_only ON syncline.%I', relation);
    EXECUTE format('DROP TRIGGER append_only_truncate ON syncline.%I', relation);
    EXECUTE format('ALTER TABLE syncline.%I RENAME TO %I', relation, relation || '_before');
    EXECUTE format('ALTER INDEX syncline.%I RENAME TO %I', relation || '_pkey', relation || '_before_pkey');
    IF relation = 'events' THEN
      ALTER INDEX syncline.events_xid RENAME TO events_before_xid;
    END IF;
    EXECUTE format('CREATE TABLE syncline.%I (LIKE syncline.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE '
                   'INCLUDING COMPRESSION) PARTITION BY RANGE (%I)', relation, relation || '_before', key);
    IF relation = 'events' THEN
      ALTER TABLE syncline.events ADD CONSTRAINT events_pkey PRIMARY KEY (task, version);
      CREATE INDEX events_xid ON syncline.events (xid);
    ELSE
      ALTER TABLE syncline.fire_times ADD CONSTRAINT fire_times_pkey PRIMARY KEY (source, collection, fire_time);
    END IF;
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON syncline.%I '
                   'FOR EACH ROW EXECUTE FUNCTION syncline.refuse_change()', relation);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()', relation);
    PERFORM syncline.attach(relation, relation || '_before', NULL, last);
  END LOOP;
  PERFORM syncline.ensure_partitions();
END $$;
"""

# Copies all rows into plain tables.
PLAIN = """
DO $$
DECLARE
  month timestamptz;
  name text;
  last timestamptz;
BEGIN
  SET LOCAL timezone = 'UTC';
  ALTER TABLE syncline.events RENAME TO events_parted;
  ALTER INDEX syncline.events_pkey RENAME TO events_parted_pkey;
  ALTER INDEX syncline.events_xid RENAME TO events_parted_xid;
  CREATE TABLE syncline.events (LIKE syncline.events_parted INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)
  WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500000);
  INSERT INTO syncline.events SELECT * FROM syncline.events_parted;
  ALTER TABLE syncline.events ADD CONSTRAINT events_pkey PRIMARY KEY (task, version);
  CREATE INDEX events_xid ON syncline.events (xid);

  ALTER TABLE syncline.fire_times RENAME TO fire_times_parted;
  ALTER INDEX syncline.fire_times_pkey RENAME TO fire_times_parted_pkey;
  CREATE TABLE syncline.fire_times (LIKE syncline.fire_times_parted INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE);
  INSERT INTO syncline.fire_times SELECT * FROM syncline.fire_times_parted;
  ALTER TABLE syncline.fire_times ADD CONSTRAINT fire_times_pkey PRIMARY KEY (source, collection, fire_time);

  FOR name IN SELECT partition FROM syncline.partitions_of('log_events') LOOP
    EXECUTE format('ALTER TABLE syncline.%I RENAME TO %I', name, name || '_parted');
  END LOOP;
  ALTER TABLE syncline.log_events RENAME TO log_events_parted;
  ALTER INDEX syncline.log_events_pkey RENAME TO log_events_parted_pkey;
  CREATE TABLE syncline.log_events (LIKE syncline.log_events_parted INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION)
  PARTITION BY RANGE (task);
  ALTER TABLE syncline.log_events ADD CONSTRAINT log_events_pkey PRIMARY KEY (task, attempt, line);
  SELECT syncline.uuid7_time(task) INTO month FROM syncline.log_events_parted ORDER BY task LIMIT 1;
  SELECT syncline.uuid7_time(task) INTO last FROM syncline.log_events_parted ORDER BY task DESC LIMIT 1;
  month := date_trunc('month', least(month, syncline.clock() - interval '1 month'));
  last := greatest(last, syncline.clock() + interval '2 months');
  WHILE month <= last LOOP
    name := 'log_events_' || to_char(month, 'YYYYMM');
    EXECUTE format('CREATE TABLE syncline.%I PARTITION OF syncline.log_events FOR VALUES FROM (%L) TO (%L) '
                   'WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000, '
                   'autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500000)', name,
                   syncline.uuid7_floor(month), syncline.uuid7_floor(month + interval '1 month'));
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()', name);
    month := month + interval '1 month';
  END LOOP;
  INSERT INTO syncline.log_events SELECT * FROM syncline.log_events_parted;

  FOREACH name IN ARRAY ARRAY['events', 'log_events', 'fire_times'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON syncline.%I '
                   'FOR EACH ROW EXECUTE FUNCTION syncline.refuse_change()', name);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()', name);
  END LOOP;
END $$;
"""

RIGHTS = """
DO $$
DECLARE
  relation regclass;
  routine regprocedure;
BEGIN
  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA syncline FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    FOR relation IN
      SELECT c.oid::regclass FROM pg_class c
      WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
        AND c.relowner <> 'syncline_owner'::regrole
    LOOP
      EXECUTE format('ALTER TABLE %s OWNER TO syncline_owner', relation);
    END LOOP;
    FOR routine IN
      SELECT p.oid::regprocedure FROM pg_proc p
      WHERE p.pronamespace = 'syncline'::regnamespace AND p.proowner <> 'syncline_owner'::regrole
    LOOP
      EXECUTE format('ALTER FUNCTION %s OWNER TO syncline_owner', routine);
    END LOOP;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT ON syncline.events, syncline.log_events, syncline.fire_times TO syncline_app;
  END IF;
END $$;
"""

# The application may call the functions that create and retire partitions, but none of their helpers.
OFFERED = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT ON syncline.retention, syncline.retired_failures TO syncline_app;
    GRANT EXECUTE ON FUNCTION syncline.ensure_partitions(), syncline.ensure_log_partitions(), syncline.retire_tasks(interval),
      syncline.retire_logs(integer, interval), syncline.retire_fire_times(interval) TO syncline_app;
  END IF;
END $$;
"""

FORMER_FUNCTION = """
CREATE OR REPLACE FUNCTION syncline.ensure_log_partitions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  month timestamptz;
  partition text;
BEGIN
  FOR i IN -1..2 LOOP
    month := date_trunc('month', syncline.clock() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => i);
    partition := 'log_events_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM');
    CONTINUE WHEN to_regclass('syncline.' || partition) IS NOT NULL;
    PERFORM pg_advisory_xact_lock(hashtext('syncline.ensure_log_partitions'));
    CONTINUE WHEN to_regclass('syncline.' || partition) IS NOT NULL;
    EXECUTE format('CREATE TABLE syncline.%I (LIKE syncline.log_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                   'INCLUDING STORAGE INCLUDING COMPRESSION) WITH (autovacuum_vacuum_insert_scale_factor = 0, '
                   'autovacuum_vacuum_insert_threshold = 500000, autovacuum_analyze_scale_factor = 0, '
                   'autovacuum_analyze_threshold = 500000)', partition);
    EXECUTE format('ALTER TABLE syncline.log_events ATTACH PARTITION syncline.%I FOR VALUES FROM (%L) TO (%L)', partition,
                   syncline.uuid7_floor(month), syncline.uuid7_floor(month + interval '1 month'));
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()', partition);
  END LOOP;
END $$;
"""

# A view refers to a table by its identity, so it still reads a table that was renamed.
READERS = """
SELECT DISTINCT r.ev_class::regclass::text AS view, pg_get_viewdef(r.ev_class) AS query
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
WHERE d.classid = 'pg_rewrite'::regclass
  AND d.refobjid IN ('syncline.events'::regclass, 'syncline.log_events'::regclass, 'syncline.fire_times'::regclass)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # In the same order as a scheduler's pass, so that they cannot deadlock.
    op.execute("LOCK TABLE syncline.fire_times, syncline.events, syncline.log_events IN ACCESS EXCLUSIVE MODE")
    for statements in (TABLES, BOUNDS, RETENTION):
        op.execute(statements)
    _beneath_their_readers(lambda: op.execute(PARTITIONED))
    op.execute(OFFERED)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _beneath_their_readers(lambda: op.execute(PLAIN))
    op.execute("DROP TABLE syncline.events_parted, syncline.log_events_parted, syncline.fire_times_parted")
    op.execute(FORMER_FUNCTION)
    op.execute(
        "DROP FUNCTION syncline.retire_tasks(interval), syncline.retire_logs(integer, interval),"
        " syncline.retire_fire_times(interval), syncline.carry_failures(uuid, uuid, uuid[]),"
        " syncline.replace_partitions(text, text[], text, timestamptz, timestamptz), syncline.still(text[]),"
        " syncline.spare_tasks(timestamptz, timestamptz), syncline.quiet_runs(text, timestamptz), syncline.ensure_partitions(),"
        " syncline.attach(text, text, timestamptz, timestamptz), syncline.create_like(text, text),"
        " syncline.bound(text, timestamptz), syncline.partitions_of(text), syncline.uuid7_time(uuid),"
        " syncline.refuse_shifted_clock()"
    )
    # Retired events are lost, so statistics and failure counts start from these values after another upgrade.
    retired = op.get_bind().exec_driver_sql("SELECT rounds > 0 FROM syncline.retention").scalar_one()
    if not retired:
        op.execute("DROP TABLE syncline.retired_failures, syncline.retention")


def _beneath_their_readers(change: Callable[[], None]) -> None:
    connection = op.get_bind()
    readers = connection.exec_driver_sql(READERS).all()
    change()
    op.execute(RIGHTS)
    for view, query in readers:
        connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {view} AS {query}".replace("%", "%%"))
