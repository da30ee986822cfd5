"""Versions of rows: a changed row ends and begins again, a removed row ends, an equal row stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.warehouse.layout import VALID_FROM_COLUMN, VALID_TO_COLUMN, column_list, with_own
from app.connectors.warehouse.shrinkage import check_shrinkage

if TYPE_CHECKING:
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.staged import Staged


def add_versions(session: Session, stage: Staged, *, task_id: str) -> int:
    """Adds the staged rows inside the caller's transaction; returns the number of rows that began, changed or ended.

    Each key has one current row (`VALID_TO_COLUMN` is NULL). If the source sent all of its rows, those that it did not
    send are removed.

    Raises:
        SynclineError: too many rows would be removed.
    """
    target = stage.target
    matching = stage.matches()
    counts = f"kept.{VALID_TO_COLUMN} IS NULL"
    newest = f"{stage.newest()} AS staged"
    rest = [name for name in stage.columns if name not in target.key]
    ending = f"UPDATE {target.qualified} AS kept SET {VALID_TO_COLUMN} = now()"  # noqa: S608 -- quoted identifiers
    changed = ended = 0
    if rest:
        changed = session.run(f"{ending} FROM {newest} WHERE {counts} AND {matching} AND {stage.differs(rest)}")
    if target.table.full_refresh:
        gone = f"NOT EXISTS (SELECT 1 FROM {newest} WHERE {matching})"  # noqa: S608 -- quoted identifiers
        ended = session.run(f"{ending} WHERE {counts} AND {gone}")
    names = column_list(stage.columns)
    began = session.run(
        f"""
        INSERT INTO {target.qualified} ({with_own(names)}, {VALID_FROM_COLUMN})
        SELECT {with_own(names, "$1", "now()")}, now() FROM {newest}
        WHERE NOT EXISTS (SELECT 1 FROM {target.qualified} AS kept WHERE {counts} AND {matching})
        """,  # noqa: S608 -- quoted identifiers
        task_id,
    )
    new = began - changed
    if ended > new:
        ((current,),) = session.rows(f"SELECT count(*) FROM {target.qualified} AS kept WHERE {counts}")  # noqa: S608 -- quoted identifiers
        check_shrinkage(target.table, had=lambda: current + ended - new, sent=current, rows="current rows")
    return ended + began
