"""The tasks that have written rows, or have failed, have an index of when they ended

Statistics by hour look for them. Tasks with nothing new, which are most of them in many installations, are not in it.

The index takes about a second for a million tasks, and no task can end meanwhile.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE INDEX tasks_by_end ON syncline.tasks (finished_at) WHERE rows > 0 OR status = 'FAILED'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX syncline.tasks_by_end")
