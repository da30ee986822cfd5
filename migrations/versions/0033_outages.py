"""Destinations that cannot be reached, so that one attempt tries them again and the others wait

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TABLE: Final = """
CREATE TABLE syncline.outages (
  destination text        NOT NULL,
  sources     text[]      NOT NULL,
  since       timestamptz NOT NULL,
  probes      integer     NOT NULL,
  probe_at    timestamptz NOT NULL,
  error       text        NOT NULL,
  CONSTRAINT outages_pkey PRIMARY KEY (destination)
)
"""
RIGHTS: Final = """
DO $$ BEGIN
  REVOKE ALL ON syncline.outages FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.outages TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.outages OWNER TO syncline_owner;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE syncline.outages")
