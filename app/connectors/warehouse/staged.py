"""The staged rows of one table in SQL: their names, and how they compare with those of the target."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from app.connectors.warehouse.layout import quoted

if TYPE_CHECKING:
    from app.connectors.warehouse.layout import Target


class Staged(abc.ABC):
    """`name` is the temporary table, `columns` are its columns with their types, without the rows' numbers."""

    def __init__(self, target: Target, *, number: int) -> None:
        self.target = target
        self.name = self.temporary(f"syncline_stage_{number}")
        self.columns: dict[str, str] = {}

    @abc.abstractmethod
    def temporary(self, name: str) -> str:
        """The quoted name of a table that only this connection sees."""

    @abc.abstractmethod
    def newest(self) -> str:
        """What to select from: the staged rows without those that a newer one with the same key replaces."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A string expression that is equal for rows that are equal in all columns.

        A column that is added later in a pass must not change it for rows that have NULL there.
        """

    def comparable(self, name: str, alias: str) -> str:
        """An expression that is equal for equal values of the column."""
        return f"{alias}.{quoted(name)}"

    def differs(self, names: list[str], *, coming: str = "staged") -> str:
        """Whether the rows `kept` and `coming` differ in one of the columns, of which stamps do not count."""
        names = [name for name in names if name not in self.target.stamps]
        if not names:
            return "FALSE"
        there, here = (", ".join(self.comparable(name, alias) for name in names) for alias in ("kept", coming))
        return f"({there}) IS DISTINCT FROM ({here})"

    def matches(self, *, coming: str = "staged") -> str:
        """Whether the rows `kept` and `coming` have the same key; without one there is no staged row to match."""
        return " AND ".join(f"kept.{quoted(name)} = {coming}.{quoted(name)}" for name in self.target.key) or "TRUE"

    def version(self, alias: str) -> str | None:
        """An expression that is highest for the newest row of a key, and NULL for a row without a version."""
        source = self._version_source(alias)
        return None if source is None else self._sort_expression(*source)

    def form(self, alias: str) -> str | None:
        """An expression that must be equal for the versions of two rows to be comparable; None if they always are."""
        source = self._version_source(alias)
        return None if source is None else self._form(*source)

    def _version_source(self, alias: str) -> tuple[str, str, tuple[str, ...]] | None:
        """Where a row's version is: the column's value, its type, and the path in it."""
        if self.target.newest_by is None:
            return None
        name, path = self.target.newest_by
        return f"{alias}.{quoted(name)}", self.columns[name], path

    @abc.abstractmethod
    def _sort_expression(self, value: str, kind: str, path: tuple[str, ...]) -> str:
        """An expression for what is at `path` in `value`, a column of type `kind`, that sorts by what it means."""

    @abc.abstractmethod
    def _form(self, value: str, kind: str, path: tuple[str, ...]) -> str | None:
        """The form (see `forms`) of the string there, NULL if there is nothing; None if it cannot be a string."""
