"""The store: events, inline projections, schedules with their ledger, leases, bookmarks, checkpoints

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The clock, and ids in the order of time. Only tests set the offset.
FUNCTIONS = """
CREATE FUNCTION syncline.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT clock_timestamp() + coalesce(nullif(current_setting('syncline.clock_offset', true), '')::interval, interval '0')
$$;
COMMENT ON FUNCTION syncline.clock() IS 'The one clock that decides: the database''s.';

-- RFC 9562 section 5.7, with the sub-millisecond fraction of section 6.2 method 3 in rand_a.
CREATE FUNCTION syncline.uuid7(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE STRICT PARALLEL SAFE AS $$
  SELECT (lpad(to_hex(us / 1000), 12, '0') || '7' || lpad(to_hex((us % 1000) * 4096 / 1000), 3, '0')
          || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid
  FROM (SELECT (extract(epoch FROM at) * 1000000)::bigint AS us) AS t
$$;

-- The id of a task that comes after another one of its collection, whatever the clock says meanwhile.
CREATE FUNCTION syncline.uuid7(at timestamptz, previous uuid) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT syncline.uuid7(greatest(at, to_timestamp(
    ('x' || substr(replace(previous::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0) + interval '1 ms'))
$$;

-- The lowest UUIDv7 of an instant: the bound of a partition.
CREATE FUNCTION syncline.uuid7_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

CREATE FUNCTION syncline.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
"""

EVENTS = """
CREATE TABLE syncline.events (
  task    uuid        NOT NULL,
  version integer     NOT NULL CONSTRAINT events_version_positive CHECK (version > 0),
  type    text        NOT NULL,
  v       smallint    NOT NULL DEFAULT 1,
  at      timestamptz NOT NULL,
  status  text        NOT NULL,
  attempt smallint    NOT NULL,
  worker  uuid,
  data    jsonb       NOT NULL DEFAULT '{}',
  xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT events_pkey PRIMARY KEY (task, version)
) WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 500000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 500000);
CREATE INDEX events_xid ON syncline.events (xid);

CREATE TABLE syncline.log_events (
  task    uuid        NOT NULL,
  attempt smallint    NOT NULL,
  line    integer     NOT NULL,
  at      timestamptz NOT NULL,
  level   text        NOT NULL,
  message text        NOT NULL,
  CONSTRAINT log_events_pkey PRIMARY KEY (task, attempt, line)
) PARTITION BY RANGE (task);

-- A partition a month: the last one, this one and the next two. ATTACH takes a weaker lock than CREATE … PARTITION OF,
-- and there is no default partition: it would forbid DETACH CONCURRENTLY.
CREATE FUNCTION syncline.ensure_log_partitions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
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

PROJECTIONS = """
CREATE TABLE syncline.task_queue (
  source           text        NOT NULL,
  collection       text        NOT NULL,
  task             uuid        NOT NULL,
  status           text        NOT NULL CONSTRAINT task_queue_active CHECK (status IN ('SCHEDULED', 'RUNNING')),
  priority         bigint      NOT NULL,
  run_at           timestamptz NOT NULL,
  version          integer     NOT NULL,
  attempt          smallint    NOT NULL,
  failures         smallint    NOT NULL,
  max_attempts     smallint    NOT NULL,
  worker           uuid,
  cancel_requested boolean     NOT NULL,
  changed_at       timestamptz NOT NULL,
  xid              xid8        NOT NULL,
  CONSTRAINT task_queue_pkey PRIMARY KEY (source, collection)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_queue_ready ON syncline.task_queue (priority DESC, task) WHERE status = 'SCHEDULED';
CREATE INDEX task_queue_running ON syncline.task_queue (worker) WHERE status = 'RUNNING';

CREATE TABLE syncline.tasks (
  task             uuid        NOT NULL,
  source           text        NOT NULL,
  collection       text        NOT NULL,
  source_type      text        NOT NULL,
  trigger          text        NOT NULL,
  fire_time        timestamptz,
  priority         bigint      NOT NULL,
  max_attempts     smallint    NOT NULL,
  status           text        NOT NULL,
  attempt          smallint    NOT NULL,
  failures         smallint    NOT NULL,
  rows             bigint      NOT NULL,
  error            text,
  created_at       timestamptz NOT NULL,
  started_at       timestamptz,
  finished_at      timestamptz,
  version          integer     NOT NULL,
  CONSTRAINT tasks_pkey PRIMARY KEY (task)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX tasks_by_collection ON syncline.tasks (source, collection, created_at, task);
CREATE INDEX tasks_by_source ON syncline.tasks (source, created_at, task);

CREATE TABLE syncline.collection_status (
  source               text        NOT NULL,
  collection           text        NOT NULL,
  last_task            uuid        NOT NULL,
  last_status          text        NOT NULL,
  last_success_at      timestamptz,
  last_failure_at      timestamptz,
  consecutive_failures integer     NOT NULL,
  CONSTRAINT collection_status_pkey PRIMARY KEY (source, collection)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE syncline.bookmarks (
  source      text        NOT NULL,
  collection  text        NOT NULL,
  destination text        NOT NULL,
  bookmark    jsonb,
  generation  integer     NOT NULL,
  task        uuid        NOT NULL,
  attempt     smallint    NOT NULL,
  saved_at    timestamptz NOT NULL,
  CONSTRAINT bookmarks_pkey PRIMARY KEY (source, collection, destination)
) WITH (fillfactor = 50);
"""

FACTS = """
CREATE TABLE syncline.schedules (
  source         text        NOT NULL,
  collection     text        NOT NULL,
  source_type    text        NOT NULL,
  max_attempts   smallint    NOT NULL,
  expression     text        NOT NULL,
  timezone       text        NOT NULL,
  misfire        text        NOT NULL CONSTRAINT schedules_misfire CHECK (misfire IN ('skip', 'latest', 'all')),
  misfire_window interval,
  next_fire_at   timestamptz,
  last_fire_at   timestamptz,
  active         boolean     NOT NULL,
  updated_at     timestamptz NOT NULL,
  CONSTRAINT schedules_pkey PRIMARY KEY (source, collection)
) WITH (fillfactor = 50);
CREATE INDEX schedules_due ON syncline.schedules (next_fire_at) WHERE active;

CREATE TABLE syncline.fire_times (
  source     text        NOT NULL,
  collection text        NOT NULL,
  fire_time  timestamptz NOT NULL,
  outcome    text        NOT NULL CONSTRAINT fire_times_outcome CHECK (outcome IN ('started', 'skipped', 'missed')),
  misfire    text        NOT NULL,
  reason     text,
  task       uuid,
  worker     uuid        NOT NULL,
  decided_at timestamptz NOT NULL,
  CONSTRAINT fire_times_pkey PRIMARY KEY (source, collection, fire_time)
);

CREATE TABLE syncline.workers (
  worker        uuid        NOT NULL,
  host          text        NOT NULL,
  pid           integer     NOT NULL,
  release       text        NOT NULL,
  slots         integer     NOT NULL,
  state         text        NOT NULL CONSTRAINT workers_state CHECK (state IN ('active', 'draining', 'stopped', 'lost')),
  started_at    timestamptz NOT NULL,
  renewed_at    timestamptz NOT NULL,
  lease_until   timestamptz NOT NULL,
  CONSTRAINT workers_pkey PRIMARY KEY (worker)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE syncline.resets (
  source     text        NOT NULL,
  collection text        NOT NULL,
  generation integer     NOT NULL,
  reset_at   timestamptz NOT NULL,
  CONSTRAINT resets_pkey PRIMARY KEY (source, collection)
);

CREATE TABLE syncline.checkpoints (
  projection text        NOT NULL,
  generation integer     NOT NULL,
  state      text        NOT NULL CONSTRAINT checkpoints_state CHECK (state IN ('building', 'live')),
  xid        xid8        NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT checkpoints_pkey PRIMARY KEY (projection, generation)
) WITH (fillfactor = 50);
"""

APPEND_ONLY = ("events", "log_events", "fire_times")

PROJECTED = ("task_queue", "tasks", "collection_status", "bookmarks")
RECORDED = ("schedules", "workers", "resets", "checkpoints")

# Managed servers may not allow the login to create roles. Then the service works with the login's own rights, triggers
# still refuse changes of events, and docs/operations.md says what to ask the administrator for.
ROLES = """
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['syncline_owner', 'syncline_app', 'syncline_report'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION
        WHEN insufficient_privilege THEN RAISE NOTICE 'role % cannot be made here: see docs/operations.md', wanted;
        WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server is migrated just now
      END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) AND wanted <> 'syncline_report'
       AND NOT pg_has_role(current_user, wanted, 'USAGE') THEN
      BEGIN
        EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
      EXCEPTION WHEN insufficient_privilege THEN NULL;
      END;
    END IF;
  END LOOP;
END $$;
"""

OWNERSHIP = """
DO $$
DECLARE
  relation regclass;
  routine regprocedure;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    GRANT USAGE, CREATE ON SCHEMA syncline TO syncline_owner;
    FOR relation IN
      SELECT c.oid::regclass FROM pg_class c
      WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
    LOOP
      EXECUTE format('ALTER TABLE %s OWNER TO syncline_owner', relation);
    END LOOP;
    FOR routine IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'syncline'::regnamespace LOOP
      EXECUTE format('ALTER FUNCTION %s OWNER TO syncline_owner', routine);
    END LOOP;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT USAGE ON SCHEMA syncline TO syncline_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA syncline TO syncline_app;
    GRANT INSERT ON syncline.events, syncline.log_events, syncline.fire_times TO syncline_app;
    GRANT INSERT, UPDATE, DELETE ON syncline.task_queue, syncline.tasks, syncline.collection_status, syncline.bookmarks,
      syncline.schedules, syncline.workers, syncline.resets, syncline.checkpoints TO syncline_app;
    REVOKE ALL ON FUNCTION syncline.ensure_log_partitions() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION syncline.ensure_log_partitions() TO syncline_app;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statements in (ROLES, FUNCTIONS, EVENTS, PROJECTIONS, FACTS):
        op.execute(statements)
    op.execute(
        "DO $$ BEGIN ALTER TABLE syncline.log_events ALTER COLUMN message SET COMPRESSION lz4;"
        " EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON syncline.{table}"
            " FOR EACH ROW EXECUTE FUNCTION syncline.refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.{table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()"
        )
    op.execute("SELECT syncline.ensure_log_partitions()")
    op.execute(OWNERSHIP)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in (*APPEND_ONLY, *PROJECTED, *RECORDED):
        op.execute(f"DROP TABLE syncline.{table}")
    op.execute("DROP FUNCTION syncline.ensure_log_partitions(), syncline.refuse_change()")
    op.execute(
        "DROP FUNCTION syncline.uuid7(timestamptz, uuid), syncline.uuid7(timestamptz), syncline.uuid7_floor(timestamptz), syncline.clock()"
    )
