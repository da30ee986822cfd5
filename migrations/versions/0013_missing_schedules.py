"""Since when a schedule is missing from a catalogue

While a new catalogue reaches the replicas one after the other, the older ones do not know its sources. They ended the
schedules of these at once, and fire times were lost. Now they note since when a schedule is missing, and end it later.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.schedules ADD COLUMN missing_since timestamptz")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.schedules DROP COLUMN missing_since")
