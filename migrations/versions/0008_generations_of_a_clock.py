"""Room for generations that are made of the clock

A number that was counted up came again after a restore, and a reset then did nothing at destinations that had seen it.
A release before this one reads the wider numbers, and orders them rightly; but it cannot save the bookmarks that belong
to one above 2^31. While such workers live, new ones stay below: see `reset_collection`.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A column that a view reads keeps its type, and a view that is replaced keeps its owner, its rights and its comments.
COLLECTIONS = """
CREATE OR REPLACE VIEW reporting.collections AS
SELECT k.source, k.collection, k.source || '_' || k.collection || '_' || c.last_task AS last_task_id, c.last_task,
       c.last_status, c.last_success_at, c.last_failure_at, coalesce(c.consecutive_failures, 0) AS consecutive_failures,
       q.task AS active_task, q.status AS active_status, s.expression AS schedule, s.timezone, s.next_fire_at,
       b.destinations, b.bookmark_saved_at
FROM (
  SELECT source, collection FROM syncline.collection_status
  UNION
  SELECT source, collection FROM syncline.schedules WHERE active
) AS k
LEFT JOIN syncline.collection_status c ON c.source = k.source AND c.collection = k.collection
LEFT JOIN syncline.task_queue q ON q.source = k.source AND q.collection = k.collection
LEFT JOIN syncline.schedules s ON s.source = k.source AND s.collection = k.collection AND s.active
LEFT JOIN LATERAL ({bookmarks}) AS b ON true
"""
BOOKMARKS = """
  SELECT array_agg(b.destination ORDER BY b.destination) AS destinations, max(b.saved_at) AS bookmark_saved_at
  FROM syncline.bookmarks b
  LEFT JOIN syncline.resets r ON r.source = b.source AND r.collection = b.collection
  WHERE b.source = k.source AND b.collection = k.collection AND b.generation {rule} coalesce(r.generation, 0)
"""
# Void is what bears another generation, not an older one alone: an attempt asks for its own.
OTHERS_ARE_VOID, OLDER_ARE_VOID = BOOKMARKS.format(rule="="), BOOKMARKS.format(rule=">=")
NO_BOOKMARKS = "SELECT NULL::text[] AS destinations, NULL::timestamptz AS bookmark_saved_at"

# Back to a number of 31 bits: the second of the reset, which is greater than all that were ever counted.
NARROWED = "CASE WHEN generation > 2147483647 THEN generation / 4096 / 1000 ELSE generation END"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(COLLECTIONS.format(bookmarks=NO_BOOKMARKS))
    # In the order in which a reset takes them.
    op.execute("ALTER TABLE syncline.bookmarks ALTER COLUMN generation TYPE bigint")
    op.execute("ALTER TABLE syncline.resets ALTER COLUMN generation TYPE bigint")
    op.execute(COLLECTIONS.format(bookmarks=OTHERS_ARE_VOID))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(COLLECTIONS.format(bookmarks=NO_BOOKMARKS))
    op.execute(f"ALTER TABLE syncline.bookmarks ALTER COLUMN generation TYPE integer USING {NARROWED}")
    op.execute(f"ALTER TABLE syncline.resets ALTER COLUMN generation TYPE integer USING {NARROWED}")
    op.execute(COLLECTIONS.format(bookmarks=OLDER_ARE_VOID))
