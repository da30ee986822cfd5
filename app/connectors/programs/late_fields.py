"""Fields of records that come although their stream was announced without them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Kind, Table
    from app.connectors.programs.catalog_cache import DiscoveredCatalog

    Columns = Mapping[str, Mapping[str, Kind]]


class LateFields:
    """Finds the kind that such a field's column is to have, before the destination makes one for any JSON.

    `columns` are those of the streams in the catalog in use. Where one from an earlier attempt lacks a field, `ask` is
    called, which has the program tell once more what it offers and remembers that. What it does not tell then either is
    noted with the catalog, so that the next attempts do not ask for it again.
    """

    def __init__(self, known: DiscoveredCatalog, columns: Columns, *, ask: Callable[[], Columns], log: Log) -> None:
        self._known = known
        self._columns = columns
        self._ask = ask
        self._log = log
        self._found: dict[str, dict[str, Kind]] = {}

    @property
    def may_be_outdated(self) -> bool:
        """Whether the catalog in use is that of an earlier attempt."""
        return self._known.is_earlier

    def announced(self, stream: str, table: Table) -> Table:
        """`table`, as its stream is announced now, with the fields that were found before."""
        found = self._found.get(stream)
        return dataclasses.replace(table, columns=found | table.columns) if found else table

    def widened(self, stream: str, table: Table, records: list[dict[str, Any]]) -> Table | None:
        """`table` with the fields of `records` that it lacks, None where there are none or nobody knows their kind.

        Raises:
            SynclineError: the program had to be asked, and failed.
        """
        fields = set().union(*records) - table.columns.keys() - self._known.lacking(stream)
        # What is only NULL makes no column.
        late = {field for field in fields if any(record.get(field) is not None for record in records)}
        if not late:
            return None
        kinds = self._kinds(stream, late)
        self._known.note_lacking(stream, late - kinds.keys())
        new = {field: kinds[field] for field in sorted(late & kinds.keys())}
        self._found.setdefault(stream, {}).update(new)
        return dataclasses.replace(table, columns=table.columns | new) if new else None

    def _kinds(self, stream: str, late: set[str]) -> Mapping[str, Kind]:
        unknown = late - self._columns.get(stream, {}).keys()
        if unknown and self._known.is_earlier:
            what = f"field {min(unknown)!r} is new in the stream {stream!r}"
            self._log("info", f"{what}: what the source offers is asked for again")
            try:
                self._columns = self._ask()
            except SynclineError as error:
                raise type(error)(f"{what}, and the source could not be asked of what kind it is: {error}") from error
        return self._columns.get(stream, {})
