"""Retention waits for every asynchronous projection

Tasks were retired as soon as the daily statistics had applied their events, whatever other projections there are. Now
the live checkpoints of all projections must have passed them. If one of them is replaced at this moment, its old row is
gone and its new row not visible yet: then nothing is retired until the next try.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FUNCTION = "syncline.retire_tasks(interval)"
ONE = (
    "SELECT c.xid INTO seen FROM syncline.checkpoints c"
    " WHERE c.projection = 'daily_collection_stats' AND c.state = 'live' FOR SHARE;"
)
ALL = (
    "SELECT CASE WHEN count(*) = (SELECT count(DISTINCT projection) FROM syncline.checkpoints) THEN min(live.xid) END INTO seen"
    " FROM (SELECT c.xid FROM syncline.checkpoints c WHERE c.state = 'live' FOR SHARE) AS live;"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rewrite(ONE, ALL)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rewrite(ALL, ONE)


def _rewrite(old: str, new: str) -> None:
    """Replace a statement of the function, which keeps its owner and its rights."""
    connection = op.get_bind()
    text: str = connection.exec_driver_sql(f"SELECT pg_get_functiondef('{FUNCTION}'::regprocedure)").scalar_one()
    if text.count(old) != 1:
        raise RuntimeError(f"{FUNCTION} is not as revision 0010 left it: {old!r} is not in it once")
    connection.exec_driver_sql(text.replace(old, new).replace("%", "%%"))
