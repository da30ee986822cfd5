"""Chooses the types of a warehouse's columns: of new ones, and wider ones for what no longer fits."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from app.connectors.contract.schema import Kind
from app.connectors.values.casting import Floating, Text, Unfit
from app.connectors.values.widening import EXACT, FLOATS, INTEGERS, ONE_TEXT, Needed, held_by, needed_for, wider
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.contract.schema import Digits, Table
    from app.connectors.values.fitting import Column, ValueRefusedError
    from app.connectors.warehouse.layout import Target


class ColumnTypes(abc.ABC):
    """The types of one database."""

    @abc.abstractmethod
    def new_type(self, kind: Kind, digits: Digits | None) -> str:
        """The type of a new column; `digits` are known for some decimals."""

    def full_type(self, type_: str) -> str:
        """The name that an existing column has for the type of a new one."""
        return type_

    @abc.abstractmethod
    def column(self, name: str, type_name: str) -> Column: ...

    @abc.abstractmethod
    def alteration(self, table: str, column: Column, type_: str) -> str:
        """The statement that changes the type of a column and of its values; `table` is quoted and qualified."""

    def declared_type(self, table: Table, field: str, column: Column) -> str | None:
        """The type with which the field's column would hold all that the source declares; None if it does."""
        needed = Needed(table.columns[field], table.digits.get(field))
        as_text = _may_become_text(table, field, column)
        return self._wider_type(column, held_by(column.holds), needed, declared=True, as_text=as_text)

    def type_for(
        self, target: Target, refused: ValueRefusedError, *, has_fractions: Callable[[Column], bool]
    ) -> str | None:
        """The type with which the column of a refused value would hold it as well; None if there is none.

        `has_fractions` says whether a column of floats has other values than integers.
        """
        field = next((field for field, each in target.columns.items() if each.name == refused.column), None)
        if field is None:
            return None
        column = target.columns[field]
        declared = None if field in target.table.inferred else self.declared_type(target.table, field, column)
        if declared is not None and _holds(self.column(column.name, declared), refused.value):
            return declared
        if (usual := self._usual_type(column)) and _holds(self.column(column.name, usual), refused.value):
            return usual
        needed, held = needed_for(refused.value), held_by(column.holds)
        if held == FLOATS and needed.kind in INTEGERS and not has_fractions(column):
            held = Needed(Kind.INTEGER)
        as_text = _may_become_text(target.table, field, column)
        return self._wider_type(column, held, needed, declared=False, as_text=as_text)

    def _usual_type(self, column: Column) -> str | None:
        """The type of new columns that hold the same kind, if this one is narrower."""
        held = held_by(column.holds)
        usual = None if held is None else self.full_type(self._new_type_for(held, declared=True))
        return None if usual == column.type else usual

    def _wider_type(
        self, column: Column, held: Needed | None, needed: Needed, *, declared: bool, as_text: bool
    ) -> str | None:
        """The type that holds what is held and what is needed; None if there is none, or if it is the column's.

        What is not `declared` by the source holds only one value that did not fit; a column may also be narrower than
        new ones of its kind are.
        """
        if held is None:
            return None
        both = wider(held, needed, declared=declared) or (None if declared else held)
        if both is None:
            return None
        type_ = self.full_type(self._new_type_for(both, declared=declared))
        becomes = self.column(column.name, type_).holds
        is_inexact = held.kind in EXACT and isinstance(becomes, Floating)
        is_refused = isinstance(becomes, Text) and not as_text
        return None if is_inexact or is_refused or type_ == column.type else type_

    def _new_type_for(self, needed: Needed, *, declared: bool) -> str:  # noqa: ARG002 -- for those with limits
        return self.new_type(needed.kind, needed.digits)


def _may_become_text(table: Table, field: str, column: Column) -> bool:
    """Whether rows are still recognised if their values become text as the database writes it."""
    held = held_by(column.holds)
    is_compared = field in table.key or table.mode not in (WriteMode.UPSERT, WriteMode.REPLACE)
    return held is None or held.kind in ONE_TEXT or not is_compared


def _holds(column: Column, value: Any) -> bool:
    try:
        column.holds.cast(value)
    except Unfit:
        return False
    return True
