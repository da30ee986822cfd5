"""One row for each collection is its lock, its place in the queue and its status; tasks that have ended are immutable

A task's life changed rows of `task_queue`, `tasks` and `collection_status`. Now the row of its collection in `collections` has
all that changes, and a task is inserted into `tasks` once, when it has ended. Such rows are partitioned by week like the
events, and go with them.

This migration is not for a running service: releases before write to tables that are gone. So it is refused while one of
their processes is connected.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ALONE = """
DO $$
DECLARE
  others text;
BEGIN
  SELECT string_agg(DISTINCT application_name, ', ') INTO others FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name LIKE 'syncline %' AND application_name <> 'syncline migrate';
  IF others IS NOT NULL THEN
    RAISE EXCEPTION 'this migration needs the database for itself: end these processes first: %', others
      USING ERRCODE = 'object_in_use';
  END IF;
  SELECT string_agg(host || ' (pid ' || pid || ')', ', ') INTO others FROM syncline.workers
  WHERE state IN ('active', 'draining') AND lease_until > syncline.clock();
  IF others IS NOT NULL THEN
    RAISE EXCEPTION 'this migration needs the database for itself: end these workers first, or wait for the end of their leases: %', others
      USING ERRCODE = 'object_in_use';
  END IF;
  LOCK TABLE syncline.workers, syncline.events, syncline.log_events IN ACCESS EXCLUSIVE MODE;
END $$;
"""

# What the old tables do not agree on would be lost.
COMPLETE = """
DO $$ BEGIN
  IF EXISTS (
    SELECT FROM syncline.task_queue q
    WHERE NOT EXISTS (SELECT FROM syncline.collection_status s WHERE s.source = q.source AND s.collection = q.collection AND s.last_task = q.task)
  ) OR EXISTS (
    SELECT FROM syncline.collection_status s
    WHERE NOT EXISTS (SELECT FROM syncline.tasks t JOIN syncline.events e ON e.task = t.task AND e.version = t.version WHERE t.task = s.last_task)
  ) OR EXISTS (
    SELECT FROM syncline.tasks t
    WHERE t.finished_at IS NULL AND NOT EXISTS (SELECT FROM syncline.task_queue q WHERE q.source = t.source AND q.collection = t.collection AND q.task = t.task)
  ) THEN
    RAISE EXCEPTION 'the projections differ from the events: run ''syncline projections rebuild all'' of the release before, and migrate again'
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
END $$;
"""

COLLECTIONS = """
CREATE TABLE syncline.collections (
  source               text        NOT NULL,
  collection           text        NOT NULL,
  task                 uuid        NOT NULL,
  status               text        NOT NULL,
  source_type          text        NOT NULL,
  trigger              text        NOT NULL,
  fire_time            timestamptz,
  priority             bigint      NOT NULL,
  max_attempts         smallint    NOT NULL,
  backfill             text,
  run_at               timestamptz NOT NULL,
  version              integer     NOT NULL,
  attempt              smallint    NOT NULL,
  failures             smallint    NOT NULL,
  rows                 bigint      NOT NULL,
  error                text,
  created_at           timestamptz NOT NULL,
  started_at           timestamptz,
  worker               uuid,
  cancel_requested     boolean     NOT NULL,
  claim                bigint      NOT NULL,
  changed_at           timestamptz NOT NULL,
  xid                  xid8        NOT NULL,
  last_success_at      timestamptz,
  last_failure_at      timestamptz,
  consecutive_failures integer     NOT NULL,
  CONSTRAINT collections_pkey PRIMARY KEY (source, collection),
  CONSTRAINT collections_status CHECK (status IN ('SCHEDULED', 'RUNNING', 'SUCCESS', 'FAILED', 'CANCELED'))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
"""

# The last task of each collection, as its events tell it.
FILL_COLLECTIONS = """
INSERT INTO syncline.collections
SELECT s.source, s.collection, t.task, t.status, t.source_type, t.trigger, t.fire_time, t.priority, t.max_attempts, t.backfill,
       coalesce(l.run_at, t.created_at), t.version, t.attempt, t.failures, t.rows, t.error, t.created_at, t.started_at,
       CASE t.status WHEN 'RUNNING' THEN l.worker END, l.cancel_requested, coalesce(l.claim, 0), l.changed_at, l.xid,
       s.last_success_at, s.last_failure_at, s.consecutive_failures
FROM syncline.collection_status s JOIN syncline.tasks t ON t.task = s.last_task
CROSS JOIN LATERAL (
  SELECT (array_agg(e.at ORDER BY e.version DESC))[1] AS changed_at, max(e.xid) AS xid, bool_or(e.type = 'CancelRequested') AS cancel_requested,
         (array_agg((e.data ->> 'run_at')::timestamptz ORDER BY e.version DESC) FILTER (WHERE e.data ? 'run_at'))[1] AS run_at,
         (array_agg((e.data ->> 'claim')::bigint ORDER BY e.version DESC)
           FILTER (WHERE e.type = 'TaskStarted' AND e.data ? 'claim'))[1] AS claim,
         (array_agg(e.worker ORDER BY e.version DESC) FILTER (WHERE e.type = 'TaskStarted'))[1] AS worker
  FROM syncline.events e WHERE e.task = s.last_task
) AS l;
CREATE INDEX collections_ready ON syncline.collections (priority DESC, task) WHERE status = 'SCHEDULED';
CREATE INDEX collections_running ON syncline.collections (worker) WHERE status = 'RUNNING';
ANALYZE syncline.collections;
"""

_TASK = (
    "task, source, collection, source_type, trigger, fire_time, priority, max_attempts, status, attempt, failures, rows, error,"
    " created_at, started_at, finished_at, version, backfill"
)
_ACTIVE_TASK = _TASK.replace("finished_at", "NULL::timestamptz")
# Apart, because there is an index for each of the two.
ALL_TASKS = f"""
CREATE VIEW syncline.all_tasks AS
SELECT {_TASK} FROM syncline.tasks
UNION ALL
SELECT {_ACTIVE_TASK} FROM syncline.collections WHERE status = 'SCHEDULED'
UNION ALL
SELECT {_ACTIVE_TASK} FROM syncline.collections WHERE status = 'RUNNING';
COMMENT ON VIEW syncline.all_tasks IS 'The tasks that have ended, and those that are active.';
"""

# With the bounds of the events, so that both go together. Indexes come last, for that is faster.
ENDED = """
ALTER TABLE syncline.tasks RENAME TO tasks_before;
ALTER INDEX syncline.tasks_pkey RENAME TO tasks_before_pkey;
CREATE TABLE syncline.tasks (LIKE syncline.tasks_before INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION)
PARTITION BY RANGE (task);
ALTER TABLE syncline.tasks ALTER COLUMN finished_at SET NOT NULL;
DO $$
DECLARE
  piece record;
BEGIN
  FOR piece IN SELECT low, high FROM syncline.partitions_of('events') LOOP
    PERFORM syncline.create_like('tasks', 'tasks_next'), syncline.attach('tasks', 'tasks_next', piece.low, piece.high);
  END LOOP;
END $$;
INSERT INTO syncline.tasks SELECT * FROM syncline.tasks_before WHERE finished_at IS NOT NULL ORDER BY task;
ALTER TABLE syncline.tasks ADD CONSTRAINT tasks_pkey PRIMARY KEY (task);
"""
AFTER_READERS = """
DROP TABLE syncline.tasks_before, syncline.task_queue, syncline.collection_status;
CREATE INDEX tasks_by_collection ON syncline.tasks (source, collection, created_at, task);
CREATE INDEX tasks_by_source ON syncline.tasks (source, created_at, task);
ANALYZE syncline.tasks;
"""

FORMER = """
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
  backfill         text,
  claim            bigint      NOT NULL DEFAULT 0,
  CONSTRAINT task_queue_pkey PRIMARY KEY (source, collection)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
INSERT INTO syncline.task_queue
SELECT source, collection, task, status, priority, run_at, version, attempt, failures, max_attempts, worker, cancel_requested,
       changed_at, xid, backfill, claim
FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING');
CREATE INDEX task_queue_ready ON syncline.task_queue (priority DESC, task) WHERE status = 'SCHEDULED';
CREATE INDEX task_queue_running ON syncline.task_queue (worker) WHERE status = 'RUNNING';

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
INSERT INTO syncline.collection_status
SELECT source, collection, task, status, last_success_at, last_failure_at, consecutive_failures FROM syncline.collections;

CREATE TABLE syncline.tasks_whole (LIKE syncline.tasks INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION)
WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE syncline.tasks_whole ALTER COLUMN finished_at DROP NOT NULL;
INSERT INTO syncline.tasks_whole SELECT * FROM syncline.all_tasks;
ALTER TABLE syncline.tasks RENAME TO tasks_parted;
ALTER INDEX syncline.tasks_pkey RENAME TO tasks_parted_pkey;
ALTER TABLE syncline.tasks_whole RENAME TO tasks;
ALTER TABLE syncline.tasks ADD CONSTRAINT tasks_pkey PRIMARY KEY (task);
"""
AFTER_FORMER_READERS = """
DROP VIEW syncline.all_tasks;
DROP TABLE syncline.tasks_parted, syncline.collections;
CREATE INDEX tasks_by_collection ON syncline.tasks (source, collection, created_at, task);
CREATE INDEX tasks_by_source ON syncline.tasks (source, created_at, task);
"""

_ACTIVE = "status IN ('SCHEDULED', 'RUNNING')"
# A view keeps its columns, owner, rights and comments when it is replaced.
VIEWS = {
    "tasks": """
        SELECT source || '_' || collection || '_' || task AS task_id, task, source, collection, source_type, trigger, fire_time,
               status, attempt, failures, max_attempts, priority, rows, error, created_at, started_at, finished_at,
               coalesce(started_at, finished_at, now()) - created_at AS queue_wait,
               extract(epoch FROM coalesce(started_at, finished_at, now()) - created_at)::double precision AS queue_wait_seconds,
               coalesce(finished_at, now()) - started_at AS duration,
               extract(epoch FROM coalesce(finished_at, now()) - started_at)::double precision AS duration_seconds
        FROM {all_tasks}
    """,
    "task_events": """
        SELECT t.source || '_' || t.collection || '_' || e.task AS task_id, e.task, t.source, t.collection, e.version, e.at,
               e.type, e.status, e.attempt, e.worker, e.data - 'bookmark' AS data
        FROM syncline.events e LEFT JOIN {all_tasks} t ON t.task = e.task
    """,
    "task_logs": """
        SELECT t.source || '_' || t.collection || '_' || l.task AS task_id, l.task, t.source, t.collection, l.attempt, l.line,
               l.at, l.level, l.message
        FROM syncline.log_events l LEFT JOIN {all_tasks} t ON t.task = l.task
    """,
    "collections": """
        SELECT k.source, k.collection, k.source || '_' || k.collection || '_' || c.{last_task} AS last_task_id,
               c.{last_task} AS last_task, c.{last_status} AS last_status, c.last_success_at, c.last_failure_at,
               coalesce(c.consecutive_failures, 0) AS consecutive_failures, q.task AS active_task, q.status AS active_status,
               s.expression AS schedule, s.timezone, s.next_fire_at, b.destinations, b.bookmark_saved_at
        FROM (
          SELECT source, collection FROM {status}
          UNION
          SELECT source, collection FROM syncline.schedules WHERE active
        ) AS k
        LEFT JOIN {status} c ON c.source = k.source AND c.collection = k.collection
        LEFT JOIN {queue} q ON q.source = k.source AND q.collection = k.collection AND q.{active}
        LEFT JOIN syncline.schedules s ON s.source = k.source AND s.collection = k.collection AND s.active
        LEFT JOIN LATERAL (
          SELECT array_agg(b.destination ORDER BY b.destination) AS destinations, max(b.saved_at) AS bookmark_saved_at
          FROM syncline.bookmarks b
          LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
          WHERE b.source = k.source AND b.collection = k.collection AND b.generation = coalesce(r.generation, 0)
        ) AS b ON true
    """,
    "queue": """
        SELECT q.source || '_' || q.collection || '_' || q.task AS task_id, q.task, q.source, q.collection, q.status, q.priority,
               q.run_at, greatest(q.run_at - now(), interval '0') AS due_in, q.attempt, q.failures, q.max_attempts,
               q.cancel_requested, q.worker, w.host AS worker_host, q.changed_at
        FROM {queue} q LEFT JOIN syncline.workers w ON w.worker = q.worker
        WHERE q.{active}
    """,
    "workers": """
        SELECT w.worker, w.host, w.pid, w.release, w.slots,
               (SELECT count(*) FROM {queue} q WHERE q.worker = w.worker AND q.status = 'RUNNING') AS running,
               CASE WHEN w.state IN ('active', 'draining') AND w.lease_until <= now() THEN 'lost' ELSE w.state END AS state,
               w.started_at, w.renewed_at, w.lease_until
        FROM syncline.workers w
    """,
}
TABLES = {
    "all_tasks": "syncline.all_tasks",
    "status": "syncline.collections",
    "queue": "syncline.collections",
    "last_task": "task",
    "last_status": "status",
    "active": _ACTIVE,
}
FORMER_TABLES = {
    "all_tasks": "syncline.tasks",
    "status": "syncline.collection_status",
    "queue": "syncline.task_queue",
    "last_task": "last_task",
    "last_status": "last_status",
    "active": _ACTIVE,
}

_QUEUE = "SELECT FROM syncline.task_queue q WHERE "
_HEADS = f"SELECT FROM syncline.collections q WHERE q.{_ACTIVE} AND "
GUARDED = """\
  EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON syncline.%I '
                 'FOR EACH STATEMENT EXECUTE FUNCTION syncline.refuse_change()', final);
"""
GUARDED_EVENTS = f"""\
  IF parent <> 'tasks' THEN
  {GUARDED.rstrip()}
  END IF;
"""
NOT_QUEUED = """\
 OR t.finished_at < s.last_failure_at)
    AND NOT EXISTS (SELECT FROM syncline.task_queue q WHERE q.source = t.source AND q.collection = t.collection AND q.task = t.task)
"""
NOT_THE_LAST_FAILURE = """\
 OR t.finished_at < s.last_failure_at)
"""
DELETED = """\
      PERFORM syncline.carry_failures(lowest, highest, stay);
      DELETE FROM syncline.tasks t
      WHERE t.task >= lowest AND t.task < highest AND NOT EXISTS (SELECT FROM unnest(stay) AS s (task) WHERE s.task = t.task);
"""
NOT_DELETED = """\
      PERFORM syncline.carry_failures(lowest, highest, stay);
"""
EVENTS_GO = """\
    PERFORM syncline.replace_partitions('events', run.partitions, 'events_kept', run.low, run.high);
"""
TASKS_GO_TOO = f"""\
    SELECT array_agg(partition) INTO pieces FROM syncline.partitions_of('tasks') p
    WHERE p.high <= run.high AND (run.low IS NULL OR p.low >= run.low);
    PERFORM syncline.still(pieces);
    PERFORM syncline.create_like('tasks', 'tasks_kept');
    INSERT INTO syncline.tasks_kept
    SELECT t.* FROM unnest(stay) AS s (task) JOIN syncline.tasks t ON t.task = s.task ORDER BY t.task;
    PERFORM syncline.stop_readers();
    PERFORM syncline.replace_partitions('tasks', pieces, 'tasks_kept', run.low, run.high);
{EVENTS_GO}"""
# Events and tasks are replaced together. Somebody who waits for one of them while it is locked would have to wait for the
# other one, too, so a try that does not get both gives both back.
STOP_READERS = """
CREATE FUNCTION syncline.stop_readers() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
  FOR attempt IN 1..5 LOOP
    BEGIN
      LOCK TABLE ONLY syncline.events, ONLY syncline.tasks IN ACCESS EXCLUSIVE MODE;
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      IF attempt = 5 THEN RAISE; END IF;
    END;
    PERFORM pg_sleep(0.3);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION syncline.stop_readers() FROM PUBLIC;
"""
# The changes of the functions of 0005 and later. Replacing a function keeps its owner and rights.
FUNCTIONS = {
    "syncline.attach(text, text, timestamptz, timestamptz)": [(GUARDED, GUARDED_EVENTS)],
    "syncline.ensure_partitions()": [
        ("ARRAY['events', 'log_events', 'fire_times']", "ARRAY['events', 'log_events', 'fire_times', 'tasks']")
    ],
    "syncline.quiet_runs(text, timestamptz)": [(_QUEUE, _HEADS)],
    "syncline.spare_tasks(timestamptz, timestamptz)": [
        ("JOIN syncline.collection_status s USING", "JOIN syncline.collections s USING"),
        ("t.finished_at IS NOT NULL AND t.task <> s.last_task", "t.task <> s.task"),
        (NOT_QUEUED, NOT_THE_LAST_FAILURE),
    ],
    "syncline.carry_failures(uuid, uuid, uuid[])": [
        ("FROM syncline.collection_status s", "FROM syncline.collections s")
    ],
    "syncline.retire_tasks(interval)": [
        ("  stay uuid[];\n", "  stay uuid[];\n  pieces text[];\n"),
        (_QUEUE, _HEADS),
        (DELETED, NOT_DELETED),
        (EVENTS_GO, TASKS_GO_TOO),
    ],
    "syncline.retire_logs(integer, interval)": [(_QUEUE, _HEADS)],
}

RIGHTS = """
DO $$
DECLARE
  relation regclass;
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO syncline_app;
    {seen}
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    IF to_regprocedure('syncline.stop_readers()') IS NOT NULL THEN
      ALTER FUNCTION syncline.stop_readers() OWNER TO syncline_owner;
    END IF;
    FOR relation IN
      SELECT c.oid::regclass FROM pg_class c
      WHERE c.relnamespace = 'syncline'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND c.relname <> 'alembic_version'
        AND c.relowner <> 'syncline_owner'::regrole
    LOOP
      EXECUTE format('ALTER TABLE %s OWNER TO syncline_owner', relation);
    END LOOP;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(ALONE)
    op.execute(COMPLETE)
    op.execute(COLLECTIONS)
    op.execute(FILL_COLLECTIONS)
    op.execute(STOP_READERS)
    _rewrite_functions(forwards=True)
    op.execute(ENDED)
    op.execute(ALL_TASKS)
    _give("syncline.collections", "syncline.tasks", view="syncline.all_tasks")
    _replace_views(TABLES)
    op.execute(AFTER_READERS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(ALONE)
    op.execute(FORMER)
    _give("syncline.task_queue", "syncline.tasks", "syncline.collection_status")
    _replace_views(FORMER_TABLES)
    op.execute(AFTER_FORMER_READERS)
    _rewrite_functions(forwards=False)
    op.execute("DROP FUNCTION syncline.stop_readers()")


def _give(*tables: str, view: str = "") -> None:
    seen = f"GRANT SELECT ON {view} TO syncline_app;" if view else ""
    op.get_bind().exec_driver_sql(RIGHTS.format(tables=", ".join(tables), seen=seen).replace("%", "%%"))


def _replace_views(tables: dict[str, str]) -> None:
    connection = op.get_bind()
    for view, query in VIEWS.items():
        connection.exec_driver_sql(
            f"CREATE OR REPLACE VIEW reporting.{view} AS {query.format(**tables)}".replace("%", "%%")
        )


def _rewrite_functions(*, forwards: bool) -> None:
    connection = op.get_bind()
    for function, changes in FUNCTIONS.items():
        text: str = connection.exec_driver_sql(f"SELECT pg_get_functiondef('{function}'::regprocedure)").scalar_one()
        for before, after in changes:
            old, new = (before, after) if forwards else (after, before)
            if text.count(old) != 1:
                raise RuntimeError(f"{function} is not as the revisions before made it: {old!r} is not in it once")
            text = text.replace(old, new)
        connection.exec_driver_sql(text.replace("%", "%%"))
