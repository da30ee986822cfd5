"""Refuses a reading of all rows that suddenly brings none, or far fewer than the table has.

A source that has failed halfway often looks like one whose rows are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.contract.schema import Table

SMALL: Final = 1000
"""A table with fewer rows may lose any number of them, but not all."""


def check_shrinkage(table: Table, *, had: Callable[[], int], sent: int, rows: str = "rows") -> None:
    """Call before the commit that leaves `sent` rows instead of those that the table had; `rows` says which these are.

    Raises:
        SynclineError: `empty` or `max_shrink` of the collection forbids it. Another attempt may find the source
            complete, for example one whose tables are emptied and filled again each night.
    """
    limit = table.max_shrink if sent else None
    if limit is None and (sent or table.empty != "refuse"):
        return
    before = had()
    counted = rows.replace("rows", "row", 1) if before == 1 else rows
    begin = f"table {table.name!r} has {before:,} {counted}, but the source sent"
    once = "or run 'syncline sources reset' to accept it once"
    if not sent and before:
        raise SynclineError(f"{begin} none: the table stays as it is. If that is right, set 'empty: allow', {once}")
    if limit is not None and before >= SMALL and sent * 100 < before * (100 - limit):
        raise SynclineError(
            f"{begin} only {sent:,}, and 'max_shrink' is {limit:g}%: the table stays as it is. If that is right, set "
            f"'max_shrink: none' or a higher percentage, {once}"
        )
