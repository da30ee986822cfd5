"""Schema `reporting`: the views that SQL users read, and a role that can read nothing else

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from typing import NamedTuple

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


class View(NamedTuple):
    name: str
    comment: str
    query: str
    columns: dict[str, str]


TASK_ID = "The task's id as the API shows it: source, collection and UUID."
TASK = "The task's UUID. Filter by it: the index knows it."
SOURCE = "The source, as the configuration names it."
COLLECTION = "The collection of the source."

VIEWS = (
    View(
        "tasks",
        "Every task, newest state.",
        """
        SELECT source || '_' || collection || '_' || task AS task_id, task, source, collection, source_type, trigger, fire_time,
               status, attempt, failures, max_attempts, priority, rows, error, created_at, started_at, finished_at,
               coalesce(started_at, finished_at, now()) - created_at AS queue_wait,
               extract(epoch FROM coalesce(started_at, finished_at, now()) - created_at)::double precision AS queue_wait_seconds,
               coalesce(finished_at, now()) - started_at AS duration,
               extract(epoch FROM coalesce(finished_at, now()) - started_at)::double precision AS duration_seconds
        FROM syncline.tasks
        """,
        {
            "task_id": TASK_ID,
            "task": TASK,
            "source": SOURCE,
            "collection": COLLECTION,
            "source_type": "The kind of source: singer, synthetic, …",
            "trigger": "What asked for the task: schedule or api.",
            "fire_time": "The fire time of the schedule that the task stands for; null for other triggers.",
            "status": "SCHEDULED, RUNNING, SUCCESS, FAILED or CANCELED.",
            "attempt": "How many attempts were started.",
            "failures": "How many attempts failed.",
            "max_attempts": "After so many failed attempts the task has failed.",
            "priority": "Higher is claimed first.",
            "rows": "Records that destinations have committed, over all attempts.",
            "error": "What the last failed attempt said; null after a success.",
            "created_at": "When the task was asked for.",
            "started_at": "When the first attempt was started.",
            "finished_at": "When the task ended.",
            "queue_wait": "From created_at to the first start, or to the end or to now where there was none.",
            "queue_wait_seconds": "queue_wait in seconds.",
            "duration": "From the first start to the end, or to now while the task is active; retries are included.",
            "duration_seconds": "duration in seconds.",
        },
    ),
    View(
        "task_events",
        "Every change of state of every task, exactly as it was appended.",
        """
        SELECT t.source || '_' || t.collection || '_' || e.task AS task_id, e.task, t.source, t.collection, e.version, e.at,
               e.type, e.status, e.attempt, e.worker, e.data
        FROM syncline.events e LEFT JOIN syncline.tasks t ON t.task = e.task
        """,
        {
            "task_id": TASK_ID,
            "task": TASK,
            "source": SOURCE,
            "collection": COLLECTION,
            "version": "The event's place in the task's life: 1, 2, 3, … without gaps.",
            "at": "When it happened, by the database's clock.",
            "type": "What happened: TaskScheduled, TaskStarted, BookmarkSaved, CancelRequested, AttemptFailed, AttemptRescued, AttemptHandedBack, TaskSucceeded, TaskFailed, TaskCanceled.",
            "status": "The task's status after the event.",
            "attempt": "The attempt that the event belongs to; 0 before the first.",
            "worker": "The worker that appended the event; null where it was somebody else.",
            "data": "What only this type of event has to say.",
        },
    ),
    View(
        "task_logs",
        "Every log line of every attempt.",
        """
        SELECT t.source || '_' || t.collection || '_' || l.task AS task_id, l.task, t.source, t.collection, l.attempt, l.line,
               l.at, l.level, l.message
        FROM syncline.log_events l LEFT JOIN syncline.tasks t ON t.task = l.task
        """,
        {
            "task_id": TASK_ID,
            "task": TASK,
            "source": SOURCE,
            "collection": COLLECTION,
            "attempt": "The attempt that wrote the line.",
            "line": "The line's number in the attempt's log: the order in which it was written.",
            "at": "When it was written.",
            "level": "debug, info, warn or error.",
            "message": "The text, at most 16 KB.",
        },
    ),
    View(
        "task_story",
        "A task's events and log lines in one order. Always filter by task.",
        """
        SELECT s.task, row_number() OVER (PARTITION BY s.task ORDER BY s.at, s.is_event, s.number) AS position, s.at,
               CASE WHEN s.is_event THEN 'event' ELSE 'log' END AS kind, s.attempt, s.status, s.level, s.message, s.data
        FROM (
          SELECT task, at, true AS is_event, version AS number, attempt, status, NULL::text AS level, type AS message, data
          FROM syncline.events
          UNION ALL
          SELECT task, at, false, line, attempt, NULL, level, message, NULL FROM syncline.log_events
        ) AS s
        """,
        {
            "task": TASK,
            "position": "The place in the story: 1, 2, 3, …",
            "at": "When it happened or was written.",
            "kind": "event or log.",
            "attempt": "The attempt that it belongs to; 0 before the first.",
            "status": "The task's status after an event; null for log lines.",
            "level": "The level of a log line; null for events.",
            "message": "The type of an event, the text of a log line.",
            "data": "What only this type of event has to say; null for log lines.",
        },
    ),
    View(
        "collections",
        "Every collection that ever had a task or has a schedule, and how it stands.",
        """
        SELECT k.source, k.collection, k.source || '_' || k.collection || '_' || c.last_task AS last_task_id, c.last_task,
               c.last_status, c.last_success_at, c.last_failure_at, coalesce(c.consecutive_failures, 0) AS consecutive_failures,
               q.task AS active_task, q.status AS active_status, s.expression AS schedule, s.timezone, s.next_fire_at,
               b.destinations, b.bookmark_saved_at
        FROM (
          SELECT source, collection FROM syncline.collection_status
          UNION
          SELECT source, collection FROM syncline.schedules WHERE active
        ) AS k
        LEFT JOIN syncline.collection_status c ON c.source = k.source AND c.collection = k.collection
        LEFT JOIN syncline.task_queue q ON q.source = k.source AND q.collection = k.collection
        LEFT JOIN syncline.schedules s ON s.source = k.source AND s.collection = k.collection AND s.active
        LEFT JOIN LATERAL (
          SELECT array_agg(b.destination ORDER BY b.destination) AS destinations, max(b.saved_at) AS bookmark_saved_at
          FROM syncline.bookmarks b
          LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
          WHERE b.source = k.source AND b.collection = k.collection AND b.generation >= coalesce(r.generation, 0)
        ) AS b ON true
        """,
        {
            "source": SOURCE,
            "collection": COLLECTION,
            "last_task_id": "The id of the newest task, as the API shows it.",
            "last_task": "The UUID of the newest task.",
            "last_status": "The status of the newest task.",
            "last_success_at": "When a task last succeeded.",
            "last_failure_at": "When a task last failed.",
            "consecutive_failures": "Tasks that failed since the last success; canceled ones count neither way.",
            "active_task": "The UUID of the task that is queued or running; null when there is none.",
            "active_status": "SCHEDULED or RUNNING; null when there is none.",
            "schedule": "The schedule as the configuration has it; null without one.",
            "timezone": "The schedule's time zone.",
            "next_fire_at": "When the schedule fires next.",
            "destinations": "The destinations with a bookmark that stands.",
            "bookmark_saved_at": "When the newest of these bookmarks was saved.",
        },
    ),
    View(
        "queue",
        "The active tasks: at most one a collection.",
        """
        SELECT q.source || '_' || q.collection || '_' || q.task AS task_id, q.task, q.source, q.collection, q.status, q.priority,
               q.run_at, greatest(q.run_at - now(), interval '0') AS due_in, q.attempt, q.failures, q.max_attempts,
               q.cancel_requested, q.worker, w.host AS worker_host, q.changed_at
        FROM syncline.task_queue q LEFT JOIN syncline.workers w ON w.worker = q.worker
        """,
        {
            "task_id": TASK_ID,
            "task": TASK,
            "source": SOURCE,
            "collection": COLLECTION,
            "status": "SCHEDULED or RUNNING.",
            "priority": "Higher is claimed first.",
            "run_at": "Not claimed before this time.",
            "due_in": "How long until run_at; zero once it is due.",
            "attempt": "How many attempts were started.",
            "failures": "How many attempts failed.",
            "max_attempts": "After so many failed attempts the task has failed.",
            "cancel_requested": "Whether somebody wants the running task to end.",
            "worker": "The worker that runs it; null while it waits.",
            "worker_host": "The host of that worker.",
            "changed_at": "When its state last changed.",
        },
    ),
    View(
        "fire_times",
        "The ledger: what became of every fire time of every schedule.",
        """
        SELECT source, collection, fire_time, outcome, misfire, reason,
               source || '_' || collection || '_' || task AS task_id, task, worker, decided_at, decided_at - fire_time AS delay
        FROM syncline.fire_times
        """,
        {
            "source": SOURCE,
            "collection": COLLECTION,
            "fire_time": "When the schedule was due.",
            "outcome": "started, skipped (the collection had an active task) or missed (the misfire policy decided so).",
            "misfire": "The misfire policy at that time: skip, latest or all.",
            "reason": "Why it was skipped or missed; null when it was started.",
            "task_id": "The id of the task that was started; null otherwise.",
            "task": "The UUID of the task that was started; null otherwise.",
            "worker": "The worker that decided.",
            "decided_at": "When it was decided.",
            "delay": "From the fire time to the decision.",
        },
    ),
    View(
        "daily_collection_stats",
        "Tasks that ended, by UTC day of their end, source and collection. A few seconds behind the events.",
        """
        SELECT s.day, s.source, s.collection, s.success + s.failed + s.canceled AS runs, s.success, s.failed, s.canceled, s.rows,
               q.duration_p50 AS duration_p50_seconds, q.duration_p95 AS duration_p95_seconds,
               s.duration_microseconds / 1e6::double precision AS duration_total_seconds,
               q.queue_wait_p50 AS queue_wait_p50_seconds, q.queue_wait_p95 AS queue_wait_p95_seconds,
               s.queue_wait_microseconds / 1e6::double precision AS queue_wait_total_seconds
        FROM syncline.daily_collection_stats s
        JOIN syncline.checkpoints c
          ON c.projection = 'daily_collection_stats' AND c.state = 'live' AND c.generation = s.generation
        CROSS JOIN LATERAL (
          SELECT min(seconds) FILTER (WHERE measure = 'duration' AND seen > 0.5::double precision * (total - 1)) AS duration_p50,
                 min(seconds) FILTER (WHERE measure = 'duration' AND seen > 0.95::double precision * (total - 1)) AS duration_p95,
                 min(seconds) FILTER (WHERE measure = 'queue_wait' AND seen > 0.5::double precision * (total - 1)) AS queue_wait_p50,
                 min(seconds) FILTER (WHERE measure = 'queue_wait' AND seen > 0.95::double precision * (total - 1)) AS queue_wait_p95
          FROM (
            SELECT h.measure,
                   CASE h.bucket WHEN -1 THEN 0 ELSE 2 * power(1.02::double precision / 0.98, h.bucket) / (1.02::double precision / 0.98 + 1) / 1e6 END AS seconds,
                   sum(h.tasks) OVER (PARTITION BY h.measure ORDER BY h.bucket) AS seen,
                   sum(h.tasks) OVER (PARTITION BY h.measure) AS total
            FROM syncline.daily_collection_histogram h
            WHERE h.generation = s.generation AND h.source = s.source AND h.collection = s.collection AND h.day = s.day
          ) AS b
        ) AS q
        """,
        {
            "day": "The UTC day on which the tasks ended.",
            "source": SOURCE,
            "collection": COLLECTION,
            "runs": "Tasks that ended: success, failed and canceled together.",
            "success": "Tasks that succeeded.",
            "failed": "Tasks that failed.",
            "canceled": "Tasks that were canceled.",
            "rows": "Records that destinations committed.",
            "duration_p50_seconds": "Median time from the first start to the end, within 2 %; tasks that never started have none.",
            "duration_p95_seconds": "95th percentile of the same, within 2 %.",
            "duration_total_seconds": "Sum of the same, exact.",
            "queue_wait_p50_seconds": "Median time from being asked for to the first start, within 2 %.",
            "queue_wait_p95_seconds": "95th percentile of the same, within 2 %.",
            "queue_wait_total_seconds": "Sum of the same, exact.",
        },
    ),
    View(
        "workers",
        "The workers of the last days, and how they are just now.",
        """
        SELECT w.worker, w.host, w.pid, w.release, w.slots,
               (SELECT count(*) FROM syncline.task_queue q WHERE q.worker = w.worker AND q.status = 'RUNNING') AS running,
               CASE WHEN w.state IN ('active', 'draining') AND w.lease_until <= now() THEN 'lost' ELSE w.state END AS state,
               w.started_at, w.renewed_at, w.lease_until
        FROM syncline.workers w
        """,
        {
            "worker": "The worker's UUID; a process that lost its lease comes back as another worker.",
            "host": "Where it runs.",
            "pid": "Its process id there.",
            "release": "The release of Syncline that it runs.",
            "slots": "How many attempts it runs at once.",
            "running": "How many attempts it runs now.",
            "state": "active, draining, stopped (in good order) or lost (its lease ran out).",
            "started_at": "When it started.",
            "renewed_at": "When it last renewed its lease.",
            "lease_until": "Until when its lease stands.",
        },
    ),
)

# By default, everyone may execute functions; the role for reports must not execute ours.
RIGHTS = """
DO $$
DECLARE
  view regclass;
BEGIN
  REVOKE ALL ON ALL FUNCTIONS IN SCHEMA syncline FROM PUBLIC;
  REVOKE ALL ON SCHEMA syncline, reporting FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA syncline TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    GRANT USAGE, CREATE ON SCHEMA reporting TO syncline_owner;
    FOR view IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'reporting'::regnamespace LOOP
      EXECUTE format('ALTER VIEW %s OWNER TO syncline_owner', view);
    END LOOP;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT USAGE ON SCHEMA reporting TO syncline_report;
    GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO syncline_report;
  END IF;
END $$;
"""

# For logins with this role. A migration of another database on the same server may do this at the same time.
HABITS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report')
     AND NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = to_regrole('syncline_report')) THEN
    ALTER ROLE syncline_report SET default_transaction_read_only = on;
    ALTER ROLE syncline_report SET statement_timeout = '60s';
  END IF;
EXCEPTION WHEN insufficient_privilege OR internal_error OR unique_violation THEN
  RAISE NOTICE 'the settings of syncline_report are left as they are: see docs/reporting.md';
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA reporting")
    op.execute("COMMENT ON SCHEMA reporting IS 'What SQL users may rely on: views over the tables of schema syncline.'")
    for view in VIEWS:
        op.execute(f"CREATE VIEW reporting.{view.name} AS {view.query}")
        op.execute(f"COMMENT ON VIEW reporting.{view.name} IS {_quoted(view.comment)}")
        for column, comment in view.columns.items():
            op.execute(f"COMMENT ON COLUMN reporting.{view.name}.{column} IS {_quoted(comment)}")
    op.execute(RIGHTS)
    op.execute(HABITS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for view in VIEWS:
        op.execute(f"DROP VIEW reporting.{view.name}")
    op.execute("DROP SCHEMA reporting")
    op.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA syncline TO PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION syncline.ensure_log_partitions() FROM PUBLIC")


def _quoted(text: str) -> str:
    # Alembic passes the string to SQLAlchemy, where a colon before a word starts a parameter.
    return "'" + text.replace("'", "''").replace(":", "\\:") + "'"
