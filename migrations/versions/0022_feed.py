"""Retention says up to which position of the feed it has removed events

A reader of the feed that was away for longer than events are kept has to be told that it lacks some. What was removed before
this migration is no longer known, so a store that has removed events has a complete feed from now on only.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FUNCTION: Final = "syncline.retire_tasks(interval)"
SEALED: Final = "SET sealed_before = greatest(sealed_before, cutoff::date), logs_seen_at = NULL;"
GONE_TOO: Final = """\
SET sealed_before = greatest(sealed_before, cutoff::date), logs_seen_at = NULL,
        gone_upto = greatest(gone_upto, (
          SELECT max(e.xid) FROM syncline.events e
          WHERE e.task >= lowest AND e.task < highest AND NOT EXISTS (SELECT FROM unnest(stay) AS s (task) WHERE s.task = e.task)
        ));"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE syncline.retention ADD COLUMN gone_upto xid8")
    op.execute(
        "UPDATE syncline.retention SET gone_upto = (SELECT max(xid) FROM syncline.events) WHERE sealed_before IS NOT NULL"
    )
    _rewrite(SEALED, GONE_TOO)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rewrite(GONE_TOO, SEALED)
    op.execute("ALTER TABLE syncline.retention DROP COLUMN gone_upto")


def _rewrite(before: str, after: str) -> None:
    """Replace a part of the function, which keeps its owner and rights."""
    connection = op.get_bind()
    text: str = connection.exec_driver_sql(f"SELECT pg_get_functiondef('{FUNCTION}'::regprocedure)").scalar_one()
    if text.count(before) != 1:
        raise RuntimeError(f"{FUNCTION} is not as the revisions before made it: {before!r} is not in it once")
    connection.exec_driver_sql(text.replace(before, after).replace("%", "%%"))
