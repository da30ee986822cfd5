"""Fields in records that their stream's catalog or schema does not have."""

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
    """Finds the kind of such a field's column, before the destination creates one for any JSON.

    `columns` are those of the streams in the catalog in use. If a cached one lacks a field, `ask` runs discovery again
    and caches the result. Fields that are still missing then are noted with the catalog, so that later attempts do not
    run discovery for them again.
    """

    def __init__(self, known: DiscoveredCatalog, columns: Columns, *, ask: Callable[[], Columns], log: Log) -> None:
        self._known = known
        self._columns = columns
        self._ask = ask
        self._log = log
        self._found: dict[str, dict[str, Kind]] = {}

    @property
    def may_be_outdated(self) -> bool:
        """Whether the catalog in use is from an earlier attempt."""
        return self._known.is_earlier

    def with_found_fields(self, stream: str, table: Table) -> Table:
        """`table`, which its stream has just announced, with the fields that were found before."""
        found = self._found.get(stream)
        if not found:
            return table
        return dataclasses.replace(table, columns=found | table.columns, inferred=table.inferred.union(found))

    def with_late_fields(self, stream: str, table: Table, records: list[dict[str, Any]]) -> Table | None:
        """`table` with the fields of `records` that it lacks; None if there are none, or their kind is not known.

        Raises:
            SynclineError: discovery was needed, and failed.
        """
        fields = set().union(*records) - table.columns.keys() - self._known.missing_fields(stream)
        # A field that is only NULL needs no column.
        late = {field for field in fields if any(record.get(field) is not None for record in records)}
        if not late:
            return None
        kinds = self._kinds(stream, late)
        self._known.note_missing_fields(stream, late - kinds.keys())
        new = {field: kinds[field] for field in sorted(late & kinds.keys())}
        self._found.setdefault(stream, {}).update(new)
        if not new:
            return None
        return dataclasses.replace(table, columns=table.columns | new, inferred=table.inferred.union(new))

    def _kinds(self, stream: str, late: set[str]) -> Mapping[str, Kind]:
        unknown = late - self._columns.get(stream, {}).keys()
        if unknown and self._known.is_earlier:
            what = f"field {min(unknown)!r} is new in stream {stream!r}"
            self._log("info", f"{what}: discovering the source again")
            try:
                self._columns = self._ask()
            except SynclineError as error:
                raise type(error)(f"{what}, and discovering its type failed: {error}") from error
        return self._columns.get(stream, {})
