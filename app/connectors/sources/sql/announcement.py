"""The table of a reading, announced as its columns become known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.schema import Kind, Table
from app.connectors.sources.sql.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.sql.dialect import SourceColumn
    from app.connectors.sources.sql.selection import Selection


class Announcement:
    """The table as far as its columns are known: where a database reports no types, the first values decide."""

    def __init__(self, name: str, columns: list[SourceColumn], selection: Selection) -> None:
        self._name = name
        self._kinds = {each.name: each.kind for each in columns}
        self._digits = {each.name: each.digits for each in columns if each.digits}
        self._types = {each.name: each.full_type for each in columns if each.full_type}
        self._required = {each.name for each in columns if each.required}
        self._untyped = {each.name for each in columns if each.kind is None}
        self._selection = selection
        self._announced: set[str] | None = None

    def update(self, values: list[tuple[Any, ...]]) -> Iterator[Table]:
        """The table again if these values (one tuple for each column) add columns to it."""
        for (name, kind), found in zip(list(self._kinds.items()), values, strict=False):
            self._kinds[name] = kind or kind_of(found)
        if values and not self._is_enough(self._known_columns()):
            self._settle()
        known = self._known_columns()
        if self._is_enough(known) and known != self._announced:
            yield self._table(known)

    def finish(self) -> Iterator[Table]:
        """A table without rows has columns, too."""
        if self._announced is None:
            self._settle()
            yield self._table(self._known_columns())

    def _known_columns(self) -> set[str]:
        return {name for name, kind in self._kinds.items() if kind}

    def _is_enough(self, known: set[str]) -> bool:
        return bool(known) and {*self._selection.key, *filter(None, [self._selection.cursor_field])} <= known

    def _settle(self) -> None:
        """Makes unknown columns text, which holds whatever comes later."""
        self._kinds = {name: kind or Kind.TEXT for name, kind in self._kinds.items()}

    def _table(self, names: set[str]) -> Table:
        self._announced = names
        return Table(
            name=self._name,
            columns={name: kind for name, kind in self._kinds.items() if name in names and kind},
            key=self._selection.key,
            cursor_field=self._selection.cursor_field,
            full_refresh=self._selection.cursor_field is None,
            digits=self._digits,
            source_types=self._types,
            required=frozenset(names & self._required),
            inferred=frozenset(names & self._untyped),
        )
