"""The interval of tasks that are backfills

A task with an interval loads only that interval, and its bookmark does not move. The interval is text in ISO 8601, as in
the task's first event; null for a sync. Older releases do not know backfills: they would run one that they claim as a
sync.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.task_queue ADD COLUMN backfill text")
    op.execute("ALTER TABLE syncline.tasks ADD COLUMN backfill text")
    op.execute("COMMENT ON COLUMN reporting.tasks.trigger IS 'What asked for the task: schedule, api or backfill.'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("COMMENT ON COLUMN reporting.tasks.trigger IS 'What asked for the task: schedule or api.'")
    op.execute("ALTER TABLE syncline.tasks DROP COLUMN backfill")
    op.execute("ALTER TABLE syncline.task_queue DROP COLUMN backfill")
