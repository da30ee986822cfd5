"""The daily statistics of collections, an asynchronous projection

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A rebuild fills a new `generation` next to the one that reports read, and then makes it the live one.
TABLES = """
CREATE TABLE syncline.daily_collection_stats (
  generation              integer NOT NULL,
  day                     date    NOT NULL,
  source                  text    NOT NULL,
  collection              text    NOT NULL,
  success                 bigint  NOT NULL,
  failed                  bigint  NOT NULL,
  canceled                bigint  NOT NULL,
  rows                    bigint  NOT NULL,
  duration_microseconds   bigint  NOT NULL,
  queue_wait_microseconds bigint  NOT NULL,
  CONSTRAINT daily_collection_stats_pkey PRIMARY KEY (generation, source, collection, day)
) WITH (fillfactor = 50);

CREATE TABLE syncline.daily_collection_histogram (
  generation integer NOT NULL,
  day        date    NOT NULL,
  source     text    NOT NULL,
  collection text    NOT NULL,
  measure    text    NOT NULL CONSTRAINT daily_collection_histogram_measure CHECK (measure IN ('duration', 'queue_wait')),
  bucket     integer NOT NULL,
  tasks      bigint  NOT NULL,
  CONSTRAINT daily_collection_histogram_pkey PRIMARY KEY (generation, source, collection, day, measure, bucket)
) WITH (fillfactor = 50);

INSERT INTO syncline.checkpoints (projection, generation, state, xid, updated_at)
VALUES ('daily_collection_stats', 1, 'live', '0', syncline.clock());
"""

RIGHTS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_app') THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.daily_collection_stats, syncline.daily_collection_histogram
      TO syncline_app;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_owner') AND pg_has_role(current_user, 'syncline_owner', 'USAGE')
  THEN
    ALTER TABLE syncline.daily_collection_stats OWNER TO syncline_owner;
    ALTER TABLE syncline.daily_collection_histogram OWNER TO syncline_owner;
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(TABLES)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE syncline.daily_collection_histogram, syncline.daily_collection_stats")
    op.execute("DELETE FROM syncline.checkpoints WHERE projection = 'daily_collection_stats'")
