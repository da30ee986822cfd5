"""The interval of a backfill beside the task that loads it

A task with an interval loads only what lies in it and leaves the bookmark where it is. The interval is text, as ISO 8601
writes it and as the task's first event has it; null for a sync. A release before this one does not know of backfills: it
would carry out as a sync what it claims of them.

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
