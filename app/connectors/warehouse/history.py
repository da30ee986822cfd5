"""Versions of rows: what has changed ends and begins again, what is gone ends, what is equal stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.warehouse.layout import VALID_FROM_COLUMN, VALID_TO_COLUMN, listed, quoted, with_own

if TYPE_CHECKING:
    from app.connectors.warehouse.session import Session
    from app.connectors.warehouse.staged import Staged


def add_versions(session: Session, stage: Staged, *, task_id: str) -> int:
    """Inside the caller's transaction; the number of rows that began, changed or ended.

    Of the rows that count now (`VALID_TO_COLUMN` is NULL) there is one for each key. If the source has sent all of its
    rows, those that it has not sent are gone.
    """
    target = stage.target
    matching = " AND ".join(f"kept.{quoted(name)} = staged.{quoted(name)}" for name in target.key)
    counts = f"kept.{VALID_TO_COLUMN} IS NULL"
    newest = f"{stage.newest()} AS staged"
    rest = [name for name in stage.columns if name not in target.key]
    ending = f"UPDATE {target.qualified} AS kept SET {VALID_TO_COLUMN} = now()"  # noqa: S608 -- quoted identifiers
    if rest:
        session.run(f"{ending} FROM {newest} WHERE {counts} AND {matching} AND {stage.differs(rest)}")
    ended = 0
    if target.table.full_refresh:
        gone = f"NOT EXISTS (SELECT 1 FROM {newest} WHERE {matching})"  # noqa: S608 -- quoted identifiers
        ended = session.run(f"{ending} WHERE {counts} AND {gone}")
    names = listed(stage.columns)
    began = session.run(
        f"""
        INSERT INTO {target.qualified} ({with_own(names)}, {VALID_FROM_COLUMN})
        SELECT {with_own(names, "$1", "now()")}, now() FROM {newest}
        WHERE NOT EXISTS (SELECT 1 FROM {target.qualified} AS kept WHERE {counts} AND {matching})
        """,  # noqa: S608 -- quoted identifiers
        task_id,
    )
    return ended + began
