"""Log lines are removed together with their task

Logs were checked every 20 hours, even if tasks were retired in between, and a partition was kept if most of its lines
were kept, even if the tasks of others were gone. Now the logs are checked again after tasks were retired, and a partition
is rewritten if one of its lines has lost its task.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The changes of the functions of 0005. Replacing a function keeps its owner and rights.
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
