"""The number of each claim, by which a worker writes

The number of an attempt is given out twice when the database forgets a claim, as an asynchronous standby does that is
promoted. The number of a claim never is. A release before this one claims without one and leaves what is there: none of
its statements looks at it.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NUMBERED = """
    UPDATE syncline.task_queue q SET claim = s.claim
    FROM (
      SELECT DISTINCT ON (e.task) e.task, (e.data ->> 'claim')::bigint AS claim
      FROM syncline.task_queue t JOIN syncline.events e USING (task)
      WHERE t.attempt > 0 AND e.type = 'TaskStarted' AND e.data ? 'claim'
      ORDER BY e.task, e.version DESC
    ) AS s
    WHERE q.task = s.task
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.task_queue ADD COLUMN claim bigint NOT NULL DEFAULT 0")
    # After a downgrade there are events that have it.
    op.execute(_NUMBERED)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.task_queue DROP COLUMN claim")
