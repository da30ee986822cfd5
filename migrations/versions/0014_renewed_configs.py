"""What connectors renew of their configuration

Some providers give out a new refresh token with each use of the old one, which is void from then on. The connector puts the
new one into its configuration. The newest one of each source and destination is kept here, encrypted with a key that only
the catalogue has: one row for each configuration in the catalogue (`digest`), because an attempt that began before it was
changed may renew its own later.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE syncline.renewed_configs (
  role       text        NOT NULL,
  name       text        NOT NULL,
  key_id     bytea       NOT NULL,
  digest     bytea       NOT NULL,
  sealed     bytea       NOT NULL,
  renewed_at timestamptz NOT NULL,
  CONSTRAINT renewed_configs_pkey PRIMARY KEY (role, name, digest),
  CONSTRAINT renewed_configs_role CHECK (role IN ('source', 'destination'))
)
"""

RIGHTS = """
DO $$ BEGIN
  REVOKE ALL ON syncline.renewed_configs FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.renewed_configs TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.renewed_configs OWNER TO syncline_owner;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLE)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE syncline.renewed_configs")
