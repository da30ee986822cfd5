"""A schedule may start its tasks some time after their fire times

`next_fire_at` has this delay in it: it is when the scheduler has to look. The ledger has the fire times.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.schedules ADD COLUMN delay interval NOT NULL DEFAULT '00:00:00'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Earlier releases take this time for a fire time.
    op.execute("UPDATE syncline.schedules SET next_fire_at = next_fire_at - delay WHERE delay <> '0'")
    op.execute("ALTER TABLE syncline.schedules DROP COLUMN delay")
