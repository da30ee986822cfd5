"""Claim numbers, which fence the writes of workers

An attempt number is used twice if the database loses a claim, for example when an asynchronous standby is promoted. A
claim number is never used twice. Older releases claim without a number and leave the column as it is; none of their
statements uses it.

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
    # Events from before a downgrade still have the number.
    op.execute(_NUMBERED)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.task_queue DROP COLUMN claim")
