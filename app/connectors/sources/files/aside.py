"""What becomes of bad rows: they are told in the task's log and, if they are kept, put into a table of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.connectors.contract.passes import Emptied, Rows
from app.connectors.contract.schema import Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.connectors.contract.passes import Log
    from app.connectors.sources.files.bad_rows import BadRow

_COLUMNS: Final = {"file": Kind.TEXT, "line": Kind.INTEGER, "reason": Kind.TEXT, "row": Kind.TEXT}
_TOLD: Final = 3


class Aside:
    """The bad rows of a collection; without a `table` they are skipped."""

    def __init__(self, table: str | None, *, full_refresh: bool, log: Log) -> None:
        self._table = table
        self._full_refresh = full_refresh
        self._log = log
        self._count = 0
        self._first: list[BadRow] = []

    def announce(self) -> Iterator[Table]:
        """The table, whether or not there will be bad rows: earlier ones may have to go."""
        if self._table is not None:
            yield Table(self._table, dict(_COLUMNS), full_refresh=self._full_refresh, aside=True)

    def begin(self, file: str, *, again: bool) -> Iterator[Emptied]:
        """Call before the rows of `file`; the earlier bad rows of one that is read `again` go."""
        self._count, self._first = 0, []
        if self._table is not None and again:
            yield Emptied(self._table, "file", file, may_stay=True)

    def take(self, bad: Sequence[BadRow], *, file: str) -> Iterator[Rows]:
        self._count += len(bad)
        self._first += bad[: _TOLD - len(self._first)]
        if self._table is not None and bad:
            records = [{"file": file, "line": each.line, "reason": each.reason, "row": each.row} for each in bad]
            yield Rows(self._table, records, sum(len(each.row) for each in bad))

    def end(self, file: str, *, good: int) -> None:
        """Call after the rows of `file`, of which `good` could be read."""
        if not self._count:
            return
        where = "left out" if self._table is None else f"put into table {self._table!r}"
        told = "; ".join(f"line {bad.line}, {bad.reason}" for bad in self._first)
        more = f"; and {self._count - len(self._first):,} more" if self._count > len(self._first) else ""
        self._log(
            "warn",
            f"{file}: {self._count:,} of {self._count + good:,} rows cannot be read, and were {where}: {told}{more}",
        )
