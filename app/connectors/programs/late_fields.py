"""Fields in records that their stream's catalog or schema does not have."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.connectors.contract.passes import Log
    from app.connectors.contract.schema import Digits, Kind, Table
    from app.connectors.programs.catalog_cache import DiscoveredCatalog

    Types = Mapping[str, tuple[Kind, Digits | None]]


class LateFields:
    """Finds the type of such a field's column, before the destination creates one for any JSON.

    `types` are those of the streams' columns in the catalog in use. If a cached one lacks a field, `ask` runs discovery
    again and caches the result. Fields that are still missing then are noted with the catalog, so that later attempts
    do not run discovery for them again.
    """

    def __init__(
        self,
        known: DiscoveredCatalog,
        types: Mapping[str, Types],
        *,
        ask: Callable[[], Mapping[str, Types]],
        log: Log,
    ) -> None:
        self._known = known
        self._types = types
        self._ask = ask
        self._log = log
        self._found: dict[str, dict[str, tuple[Kind, Digits | None]]] = {}

    @property
    def may_be_outdated(self) -> bool:
        """Whether the catalog in use is from an earlier attempt."""
        return self._known.is_earlier

    def with_found_fields(self, stream: str, table: Table) -> Table:
        """`table`, which its stream has just announced, with the fields that were found before."""
        found = self._found.get(stream, {})
        return _with_fields(table, {field: each for field, each in found.items() if field not in table.columns})

    def with_late_fields(self, stream: str, table: Table, records: list[dict[str, Any]]) -> Table | None:
        """`table` with the fields of `records` that it lacks; None if there are none, or their type is not known.

        Raises:
            SynclineError: discovery was needed, and failed.
        """
        fields = set().union(*records) - table.columns.keys() - self._known.missing_fields(stream)
        # A field that is only NULL needs no column.
        late = {field for field in fields if any(record.get(field) is not None for record in records)}
        if not late:
            return None
        types = self._types_of(stream, late)
        self._known.note_missing_fields(stream, late - types.keys())
        new = {field: types[field] for field in sorted(late & types.keys())}
        self._found.setdefault(stream, {}).update(new)
        return _with_fields(table, new) if new else None

    def _types_of(self, stream: str, late: set[str]) -> Types:
        unknown = late - self._types.get(stream, {}).keys()
        if unknown and self._known.is_earlier:
            what = f"field {min(unknown)!r} is new in stream {stream!r}"
            self._log("info", f"{what}: discovering the source again")
            try:
                self._types = self._ask()
            except SynclineError as error:
                raise error.with_message(f"{what}, and discovering its type failed: {error}") from error
        return self._types.get(stream, {})


def _with_fields(table: Table, types: Types) -> Table:
    if not types:
        return table
    return dataclasses.replace(
        table,
        columns=table.columns | {field: kind for field, (kind, _) in types.items()},
        digits=table.digits | {field: digits for field, (_, digits) in types.items() if digits},
        inferred=table.inferred.union(types),
    )
