"""Wider generations, which are derived from the clock

A counter repeated numbers after a restore, and a reset then had no effect at destinations that had seen the number.
Older releases read the wider numbers and sort them correctly, but cannot save bookmarks of generations above 2^31. While
such workers are alive, new generations stay below: see `reset_collection`.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The type of a column cannot change while a view uses it. Replacing a view keeps its owner, rights and comments.
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
# Bookmarks of any other generation are void, not only of older ones: an attempt reads those of its own.
OTHERS_ARE_VOID, OLDER_ARE_VOID = BOOKMARKS.format(rule="="), BOOKMARKS.format(rule=">=")
NO_BOOKMARKS = "SELECT NULL::text[] AS destinations, NULL::timestamptz AS bookmark_saved_at"

# Back to 31 bits: the time of the reset in seconds, which is greater than any counter has been.
NARROWED = "CASE WHEN generation > 2147483647 THEN generation / 4096 / 1000 ELSE generation END"

# After a way back and forth: the events still have the wide generation, and so have the destinations. It stays narrow
# where a release that counts has saved a bookmark since; then that is the collection's generation.
WIDENED = """
WITH current AS (
  SELECT b.source, b.collection, b.destination, b.generation AS narrow, (
    SELECT (e.data ->> 'generation')::bigint FROM syncline.events e
    WHERE e.task = b.task AND e.attempt = b.attempt AND e.type = 'BookmarkSaved' AND e.data ->> 'destination' = b.destination
    ORDER BY e.version DESC LIMIT 1
  ) AS wide
  FROM syncline.bookmarks b JOIN syncline.resets r USING (source, collection, generation)
  WHERE b.generation > 1000000000
), regained AS (
  SELECT source, collection, min(narrow) AS narrow, min(wide) AS wide FROM current GROUP BY source, collection
  HAVING count(wide) = count(*) AND min(wide) = max(wide) AND min(wide) / 4096 / 1000 = min(narrow)
), widened AS (
  UPDATE syncline.bookmarks b SET generation = g.wide FROM regained g
  WHERE b.source = g.source AND b.collection = g.collection AND b.generation = g.narrow
)
UPDATE syncline.resets r SET generation = g.wide FROM regained g WHERE r.source = g.source AND r.collection = g.collection
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(COLLECTIONS.format(bookmarks=NO_BOOKMARKS))
    # In the same order as a reset.
    op.execute("ALTER TABLE syncline.bookmarks ALTER COLUMN generation TYPE bigint")
    op.execute("ALTER TABLE syncline.resets ALTER COLUMN generation TYPE bigint")
    op.execute(WIDENED)
    op.execute(COLLECTIONS.format(bookmarks=OTHERS_ARE_VOID))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(COLLECTIONS.format(bookmarks=NO_BOOKMARKS))
    op.execute(f"ALTER TABLE syncline.bookmarks ALTER COLUMN generation TYPE integer USING {NARROWED}")
    op.execute(f"ALTER TABLE syncline.resets ALTER COLUMN generation TYPE integer USING {NARROWED}")
    op.execute(COLLECTIONS.format(bookmarks=OLDER_ARE_VOID))
