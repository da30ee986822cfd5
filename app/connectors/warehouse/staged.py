"""The staged rows of one table, as statements name them and compare them with those of the target."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from app.connectors.warehouse.layout import quoted

if TYPE_CHECKING:
    from app.connectors.warehouse.layout import Target


class Staged(abc.ABC):
    """`name` is that of the temporary table, `columns` are its columns with their types, but for the rows' numbers."""

    def __init__(self, target: Target, *, number: int) -> None:
        self.target = target
        self.name = self.temporary(f"syncline_stage_{number}")
        self.columns: dict[str, str] = {}

    @abc.abstractmethod
    def temporary(self, name: str) -> str:
        """The quoted name of a table that only this connection sees."""

    @abc.abstractmethod
    def newest(self) -> str:
        """What to select from: the staged rows, without those that another one with the same key replaces."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """An expression that is equal for rows that are equal in all columns, and text.

        A column that comes later in a pass must not change it for rows that have NULL there.
        """

    def comparable(self, name: str, alias: str) -> str:
        """An expression that is equal for equal values of the column."""
        return f"{alias}.{quoted(name)}"

    def differs(self, names: list[str], *, coming: str = "staged") -> str:
        """Whether the rows `kept` and `coming` differ in one of the columns."""
        there, here = (", ".join(self.comparable(name, alias) for name in names) for alias in ("kept", coming))
        return f"({there}) IS DISTINCT FROM ({here})"

    def version(self, alias: str) -> str | None:
        """An expression that is highest for the newest row of a key, and NULL for one that does not tell."""
        told = self._told(alias)
        return None if told is None else self._ordered(*told)

    def form(self, alias: str) -> str | None:
        """An expression that has to be equal for the versions of two rows to tell which is newer; None: they all do."""
        told = self._told(alias)
        return None if told is None else self._form(*told)

    def _told(self, alias: str) -> tuple[str, str, tuple[str, ...]] | None:
        """Where the version of a row is: the column's value, its type, and the path in it."""
        if self.target.newest_by is None:
            return None
        name, path = self.target.newest_by
        return f"{alias}.{quoted(name)}", self.columns[name], path

    @abc.abstractmethod
    def _ordered(self, value: str, kind: str, path: tuple[str, ...]) -> str:
        """What is in `value`, a column of the type `kind`, at `path`, so that it is compared by what it means."""

    @abc.abstractmethod
    def _form(self, value: str, kind: str, path: tuple[str, ...]) -> str | None:
        """The form (`forms`) of the text there, NULL where nothing is; None where no text can be."""
