"""No log line outlives its task

A look at the logs was worth 20 hours even if tasks were retired in between, and a partition of lines of which most stay
was left as it is whatever became of their tasks. Now tasks that go want a new look, and a partition is written anew
as soon as one line in it has lost its task.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# What changes in the functions of 0005, and into what. A function that is replaced keeps its owner and its rights.
RETIRE_TASKS = (
    "syncline.retire_tasks(interval)",
    [
        (
            "UPDATE syncline.retention SET sealed_before = greatest(sealed_before, cutoff::date);",
            "UPDATE syncline.retention SET sealed_before = greatest(sealed_before, cutoff::date), logs_seen_at = NULL;",
        )
    ],
)
RETIRE_LOGS = (
    "syncline.retire_logs(integer, interval)",
    [
        ("  logs bigint;\n", "  logs bigint;\n  wanted bigint;\n"),
        ("SELECT count(*), coalesce(", "SELECT count(*), count(*) FILTER (WHERE o.task IS NULL), coalesce("),
        ("INTO logs, stay\n", "INTO logs, wanted, stay\n"),
        (
            "(logs = 0 OR cardinality(stay) * 2 > logs);",
            "(logs = 0 OR cardinality(stay) * 2 > logs AND cardinality(stay) = wanted);",
        ),
    ],
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, changes in (RETIRE_TASKS, RETIRE_LOGS):
        _rewrite(function, changes)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for function, changes in (RETIRE_TASKS, RETIRE_LOGS):
        _rewrite(function, [(new, old) for old, new in changes])


def _rewrite(function: str, changes: list[tuple[str, str]]) -> None:
    connection = op.get_bind()
    text: str = connection.exec_driver_sql(f"SELECT pg_get_functiondef('{function}'::regprocedure)").scalar_one()
    for old, new in changes:
        if text.count(old) != 1:
            raise RuntimeError(f"{function} is not as revision 0005 made it: {old!r} is not in it once")
        text = text.replace(old, new)
    connection.exec_driver_sql(text.replace("%", "%%"))
