"""The request for a task that is to follow the active one of its collection

Earlier processes end a task without scheduling the next one, and leave the request in the row of the task after. So
`again=true` is of use when all are replaced.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Requests from before a downgrade: the events still have them. Looked up one by one, for the planner would read all events.
REQUESTS: Final = """
SELECT c.task, e.again
FROM syncline.collections c CROSS JOIN LATERAL (
  SELECT data::text AS again FROM syncline.events WHERE task = c.task AND type = 'RunAgainRequested' ORDER BY version DESC LIMIT 1
) AS e
WHERE c.status IN ('SCHEDULED', 'RUNNING')
"""
RESTORE: Final = """
UPDATE syncline.collections c SET again = r.again::jsonb
FROM unnest(%s::uuid[], %s::text[]) AS r (task, again)
WHERE c.task = r.task AND c.status IN ('SCHEDULED', 'RUNNING')
"""
# The release before would end these tasks without the next ones.
NONE_WAITS: Final = """
DO $$
DECLARE
  waiting text;
BEGIN
  SELECT string_agg(source || '_' || collection || '_' || task, ', ' ORDER BY source, collection) INTO waiting
  FROM syncline.collections WHERE again IS NOT NULL AND status IN ('SCHEDULED', 'RUNNING');
  IF waiting IS NOT NULL THEN
    RAISE EXCEPTION 'these tasks still have a request for another run; wait until they end, or cancel them, then try again: %', waiting
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
END $$;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    connection = op.get_bind()
    # Before the table is locked.
    requests = connection.exec_driver_sql(REQUESTS).fetchall()
    op.execute("ALTER TABLE syncline.collections ADD COLUMN again jsonb")
    connection.exec_driver_sql(RESTORE, ([row[0] for row in requests], [row[1] for row in requests]))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("LOCK TABLE syncline.collections IN ACCESS EXCLUSIVE MODE")
    op.execute(NONE_WAITS)
    op.execute("ALTER TABLE syncline.collections DROP COLUMN again")
