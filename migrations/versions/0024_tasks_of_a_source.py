"""The index of the tasks of a source is for nothing but whole sources

A generic plan is made without the values, so the index of a source seemed to be good enough for one collection, too. A list
of a collection with few tasks then read all tasks of its source. The index now has a condition that is true of every task,
and only those who want a whole source say so: the list, and the reports.

The index is made anew, about two seconds for a million tasks, and no task can end meanwhile. The old one is dropped last, so
readers wait only then.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TASKS: Final = "FROM syncline.tasks\n"
TASKS_OF_SOURCES: Final = "FROM syncline.tasks\n  WHERE tasks.version > 0\n"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE INDEX tasks_of_source ON syncline.tasks (source, created_at, task) WHERE version > 0")
    _rewrite(TASKS, TASKS_OF_SOURCES)
    op.execute("DROP INDEX syncline.tasks_by_source")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE INDEX tasks_by_source ON syncline.tasks (source, created_at, task)")
    _rewrite(TASKS_OF_SOURCES, TASKS)
    op.execute("DROP INDEX syncline.tasks_of_source")


def _rewrite(before: str, after: str) -> None:
    """Replace a part of the view of all tasks, which keeps its owner, rights and comment."""
    connection = op.get_bind()
    query: str = connection.exec_driver_sql("SELECT pg_get_viewdef('syncline.all_tasks'::regclass)").scalar_one()
    query = query.replace("(tasks.version > 0)", "tasks.version > 0")
    if query.count(before) != 1:
        raise RuntimeError(f"syncline.all_tasks is not as the revisions before made it: {before!r} is not in it once")
    connection.exec_driver_sql(f"CREATE OR REPLACE VIEW syncline.all_tasks AS {query.replace(before, after)}")
