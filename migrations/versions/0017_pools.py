"""The pool of each task, and the pools of each worker

A worker claims only tasks of its pools. The index of ready tasks begins with the pool, so that the tasks of one pool are still
read in the order of their priority.

Processes without pools go on: they leave the columns to their defaults, and their workers claim tasks of every pool. Sources get
pools when all are replaced, for a task that an older process schedules has the pool of the collection's task before. The index
without the pool is not kept, because the planner might then walk it instead of the new one, past all tasks of other pools.

`collections` is locked only for as long as it takes to index the tasks that wait, less than a second for 100,000, and after a
downgrade to put back the pools. An index that is built CONCURRENTLY would need a transaction of its own, and could be left
invalid.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Tasks of before a downgrade: their events still have the pool. Looked up one by one, for the planner would read all events.
POOLS: Final = """
SELECT c.task, e.pool
FROM syncline.collections c CROSS JOIN LATERAL (
  SELECT data ->> 'pool' AS pool FROM syncline.events WHERE task = c.task AND version = 1 OFFSET 0
) AS e
WHERE e.pool IS NOT NULL
"""
RESTORE: Final = """
UPDATE syncline.collections c SET pool = p.pool
FROM unnest(%s::uuid[], %s::text[]) AS p (task, pool) WHERE c.task = p.task
"""

QUEUE: Final = """
SELECT q.source || '_' || q.collection || '_' || q.task AS task_id, q.task, q.source, q.collection, q.status, q.priority,
       q.run_at, greatest(q.run_at - now(), interval '0') AS due_in, q.attempt, q.failures, q.max_attempts,
       q.cancel_requested, q.worker, w.host AS worker_host, q.changed_at{pool}
FROM syncline.collections q LEFT JOIN syncline.workers w ON w.worker = q.worker
WHERE q.status IN ('SCHEDULED', 'RUNNING')
"""
WORKERS: Final = """
SELECT w.worker, w.host, w.pid, w.release, w.slots,
       (SELECT count(*) FROM syncline.collections q WHERE q.worker = w.worker AND q.status = 'RUNNING') AS running,
       CASE WHEN w.state IN ('active', 'draining') AND w.lease_until <= now() THEN 'lost' ELSE w.state END AS state,
       w.started_at, w.renewed_at, w.lease_until{pools}
FROM syncline.workers w
"""

RIGHTS: Final = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER VIEW reporting.queue OWNER TO syncline_owner;
    ALTER VIEW reporting.workers OWNER TO syncline_owner;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_report') THEN
    GRANT SELECT ON reporting.queue, reporting.workers TO syncline_report;
  END IF;
END $$;
"""

COMMENTS: Final = """
SELECT CASE WHEN a.attnum IS NULL THEN 'VIEW ' || c.oid::regclass
            ELSE 'COLUMN ' || c.oid::regclass || '.' || quote_ident(a.attname) END, quote_literal(d.description)
FROM pg_class c
JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
WHERE c.oid IN ('reporting.queue'::regclass, 'reporting.workers'::regclass) AND coalesce(a.attname, '') NOT IN ('pool', 'pools')
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    connection = op.get_bind()
    # Before anything is locked.
    pools = connection.exec_driver_sql(POOLS).fetchall()
    op.execute("ALTER TABLE syncline.schedules ADD COLUMN pool text NOT NULL DEFAULT 'default'")
    op.execute("ALTER TABLE syncline.workers ADD COLUMN pools text[] NOT NULL DEFAULT '{default}'")
    op.execute("ALTER TABLE syncline.collections ADD COLUMN pool text NOT NULL DEFAULT 'default'")
    connection.exec_driver_sql(RESTORE, ([row[0] for row in pools], [row[1] for row in pools]))
    op.execute("DROP INDEX syncline.collections_ready")
    op.execute(
        "CREATE INDEX collections_ready ON syncline.collections (pool, priority DESC, task) WHERE status = 'SCHEDULED'"
    )
    # Replacing a view keeps its owner, rights and comments.
    op.execute(f"CREATE OR REPLACE VIEW reporting.queue AS {QUEUE.format(pool=', q.pool')}")
    op.execute(f"CREATE OR REPLACE VIEW reporting.workers AS {WORKERS.format(pools=', w.pools')}")
    op.execute("COMMENT ON COLUMN reporting.queue.pool IS 'Only workers of this pool claim it.'")
    op.execute(
        "COMMENT ON COLUMN reporting.workers.pools IS 'It claims only tasks of these pools; empty for every pool.'"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    connection = op.get_bind()
    # A view cannot lose a column.
    comments = connection.exec_driver_sql(COMMENTS).fetchall()
    op.execute("DROP VIEW reporting.queue, reporting.workers")
    op.execute(f"CREATE VIEW reporting.queue AS {QUEUE.format(pool='')}")
    op.execute(f"CREATE VIEW reporting.workers AS {WORKERS.format(pools='')}")
    for what, comment in comments:
        connection.exec_driver_sql(f"COMMENT ON {what} IS {comment}".replace("%", "%%"))
    op.execute(RIGHTS)
    op.execute("DROP INDEX syncline.collections_ready")
    op.execute(
        "CREATE INDEX collections_ready ON syncline.collections (priority DESC, task) WHERE status = 'SCHEDULED'"
    )
    op.execute("ALTER TABLE syncline.collections DROP COLUMN pool")
    op.execute("ALTER TABLE syncline.workers DROP COLUMN pools")
    op.execute("ALTER TABLE syncline.schedules DROP COLUMN pool")
