"""The tasks that failed or were canceled have an index of their own

They are looked for among the newest tasks of all collections, and are few.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE INDEX tasks_without_success ON syncline.tasks (task) WHERE status <> 'SUCCESS'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX syncline.tasks_without_success")
