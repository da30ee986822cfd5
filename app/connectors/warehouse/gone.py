"""Rows of the target that a reading of all rows did not bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.warehouse.layout import DELETED_COLUMN, SYNCED_COLUMN, TASK_COLUMN
from app.domain.writing import Deletes

if TYPE_CHECKING:
    from app.connectors.contract.schema import Table
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.staged import Staged


def settle_gone(session: Session, stage: Staged, *, task_id: str) -> int:
    """Marks or removes the rows that are gone, as the table says, after an upsert; returns how many there were."""
    changed = f"{TASK_COLUMN} = $1, {SYNCED_COLUMN} = now()"
    match stage.target.table.gone:
        case Deletes.MARK:
            return session.run(
                f"UPDATE {stage.target.qualified} AS kept SET {DELETED_COLUMN} = now(), {changed} "  # noqa: S608 -- quoted identifiers
                f"WHERE {DELETED_COLUMN} IS NULL AND NOT {_is_staged(stage)}",
                task_id,
            )
        case Deletes.REMOVE:
            return session.run(f"DELETE FROM {stage.target.qualified} AS kept WHERE NOT {_is_staged(stage)}")  # noqa: S608 -- quoted identifiers
    return 0


def count_left(session: Session, stage: Staged) -> int:
    """The number of rows of the target that are not gone."""
    there = f"WHERE {DELETED_COLUMN} IS NULL" if stage.target.table.gone is Deletes.MARK else ""
    row = session.row(f"SELECT count(*) FROM {stage.target.qualified} {there}")  # noqa: S608 -- a quoted identifier
    return int(row[0]) if row else 0


def clear_marks(session: Session, stage: Staged, *, task_id: str) -> int:
    """Clears the marks of rows that came again, after an upsert; returns how many of them it has not changed."""
    if not stage.target.has_marks:
        return 0
    clearing = (
        f"UPDATE {stage.target.qualified} AS kept "  # noqa: S608 -- quoted identifiers
        f"SET {DELETED_COLUMN} = NULL, {TASK_COLUMN} = $1, {SYNCED_COLUMN} = now() "
        f"WHERE {DELETED_COLUMN} IS NOT NULL AND {_is_staged(stage)}"
    )
    unchanged = session.run(f"{clearing} AND {SYNCED_COLUMN} IS DISTINCT FROM now()", task_id)
    session.run(clearing, task_id)
    return unchanged


def gone_message(table: Table, count: int) -> str:
    """The line of a task's log about `count` rows that are gone."""
    gone = (
        "1 row that the source no longer has was" if count == 1 else f"{count} rows that the source no longer has were"
    )
    outcome = f"marked in {DELETED_COLUMN!r}" if table.gone is Deletes.MARK else "removed"
    return f"table {table.name!r}: {gone} {outcome} ('deletes: {table.gone}')"


def _is_staged(stage: Staged) -> str:
    return f"EXISTS (SELECT 1 FROM {stage.name} AS staged WHERE {stage.matches()})"  # noqa: S608 -- quoted identifiers
