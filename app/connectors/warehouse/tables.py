"""Creates, widens and describes the tables of a warehouse, by the rules that all warehouses share."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from app.connectors.contract.schema import Kind
from app.connectors.values.casting import Floating, Text, Unfit
from app.connectors.values.widening import EXACT, ONE_TEXT, Needed, held_by, needed_for, wider
from app.connectors.warehouse.layout import (
    DELETED_COLUMN,
    OWN_COLUMNS,
    SYNCED_COLUMN,
    VALID_FROM_COLUMN,
    VALID_TO_COLUMN,
    Target,
    admit_columns,
    column_names,
    own_columns,
    quoted,
)
from app.domain.errors import ConfigurationError
from app.domain.naming import namer
from app.domain.writing import SchemaPolicy, WriteMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.contract.schema import Digits, Table
    from app.connectors.values.fitting import Column, ValueRefusedError
    from app.connectors.warehouse.session import Session
    from app.domain.naming import Naming

UNFINISHED = "syncline: its first load is not complete yet"
"""The comment of a table that no load has completed: it may still get columns, whatever its schema policy.

Without rows it is made anew, with the columns and types that the source has by then.
"""

REQUIRED = "syncline: NOT NULL as long as the source says so"
"""The comment of a column that is NOT NULL because the source promises it."""


class Tables(abc.ABC):
    def __init__(self, session: Session, *, naming: Naming) -> None:
        self._session = session
        self._named = namer(naming)
        self._names: dict[str, str] = {}
        self._demanded: dict[str, dict[str, str]] = {}
        self._has_changed = False

    def make_room(self, table: Table) -> Target:
        """Creates the table or adds what it lacks, in a transaction in which no other process changes the schema.

        The result is `pending` if anything had to be changed.

        Raises:
            ConfigurationError: a name is not possible, the schema policy forbids a new column, or existing rows
                contradict the key or the mode.
        """
        self._check_name(table.name)
        self._has_changed = False
        names = column_names(table, column_name=self.column_name, name_key=self.name_key)
        qualified = self.qualified(table.name)
        comment = self._comment(table.name)
        if comment == UNFINISHED and self.drop_unfinished(table.name):
            comment = None
        left_out: tuple[str, ...] = ()
        relaxed: list[str] = []
        if comment is None:
            self._create(qualified, table, names)
            self._change(f"COMMENT ON TABLE {qualified} IS '{UNFINISHED}'")
            for name in self._required(table, names):
                self._change(f"COMMENT ON COLUMN {qualified}.{quoted(name)} IS '{REQUIRED}'")
        else:
            self._check_history(table)
            if not table.schema_policy.adds_columns and comment != UNFINISHED:
                there = self.columns_of(table.name).keys()
                names, left_out = admit_columns(table, names, new=lambda name: self.name_key(name) not in there)
            self._check_key_is_there(qualified, table, names)
            self._add_missing(qualified, table, names)
            self._change_types(qualified, table, names)
            relaxed = self._relax(qualified, table, names)
        self._settle_key(qualified, table, [names[field] for field in table.key])
        present = self.columns_of(table.name)
        described = {field: self.column(*present[self.name_key(name)]) for field, name in names.items()}
        free = present.keys() - {self.name_key(name) for name in (*names.values(), *OWN_COLUMNS)}
        return Target(
            table,
            qualified,
            described,
            left_out=left_out,
            unfinished=comment in (None, UNFINISHED),
            is_new=comment is None,
            pending=self._has_changed,
            relaxed=tuple(relaxed),
            has_marks=self.name_key(DELETED_COLUMN) in present,
            vacant=lambda field: self.name_key(self.column_name(field)) in free,
        )

    def type_for(self, target: Target, refused: ValueRefusedError) -> str | None:
        """The type with which the column of a refused value would hold it as well; None if there is none."""
        field = next((field for field, each in target.columns.items() if each.name == refused.column), None)
        if field is None:
            return None
        column = target.columns[field]
        declared = None if field in target.table.inferred else self.declared_type(target, field)
        if declared is not None and _holds(self.column(column.name, declared), refused.value):
            return declared
        if (usual := self._usual_type(column)) and _holds(self.column(column.name, usual), refused.value):
            return usual
        needed = needed_for(refused.value)
        return self._wider_type(column, needed, declared=False, as_text=_may_become_text(target.table, field, column))

    def _usual_type(self, column: Column) -> str | None:
        """The type of new columns that hold the same kind, if this one is narrower."""
        held = held_by(column.holds)
        usual = None if held is None else self.full_type(self._new_type_for(held, declared=True))
        return None if usual == column.type else usual

    def demand(self, table: str, column: str, type_: str) -> None:
        """From now on `make_room` gives the column this type."""
        self._demanded.setdefault(table, {})[self.name_key(column)] = type_

    def withdraw(self, table: str, column: str) -> None:
        """Ends what `demand` began."""
        self._demanded.get(table, {}).pop(self.name_key(column), None)

    def statement_for(self, table: str, column: Column, type_: str) -> str:
        """What a user could run to give the column this type."""
        return self.alteration(self.name_for_users(table), column, type_)

    def exists(self, name: str) -> bool:
        return self._comment(name) is not None

    def drop(self, name: str) -> None:
        self._session.run(f"DROP TABLE {self.qualified(name)}")

    def tables_without_rows(self, names: Sequence[str]) -> list[str]:
        """Those of the tables that are missing or empty."""
        return [name for name in names if not self.exists(name) or not self.has_rows(self.qualified(name))]

    def drop_unfinished(self, name: str) -> bool:
        """Drops a table that no load has completed if it has no rows and nothing depends on it; whether it did.

        A table that another attempt has reserved stays: its rows are about to move.
        """
        qualified = self.qualified(name)
        if self._comment(name) != UNFINISHED or not self._lock(qualified):
            return False
        if self.has_rows(qualified) or self._has_dependents(qualified):
            return False
        self._change(f"DROP TABLE {qualified}")
        return True

    def has_rows(self, qualified: str) -> bool:
        return self._session.row(f"SELECT 1 FROM {qualified} LIMIT 1") is not None  # noqa: S608 -- a quoted identifier

    def finish(self, target: Target) -> None:
        """Notes that a load of the table is complete."""
        if target.unfinished:
            self._session.run(f"COMMENT ON TABLE {target.qualified} IS NULL")

    def _change(self, statement: str) -> None:
        self._session.run(statement)
        self._has_changed = True

    @abc.abstractmethod
    def reserve(self, name: str) -> None:
        """Keeps other attempts from dropping the table, until it is released or this one ends."""

    @abc.abstractmethod
    def release(self, name: str) -> None:
        """Ends what `reserve` began."""

    @abc.abstractmethod
    def _lock(self, qualified: str) -> bool:
        """Keeps others out of the table until the end of the transaction; False if one has reserved it."""

    @abc.abstractmethod
    def _has_dependents(self, qualified: str) -> bool:
        """Whether something, such as a view, would keep the table from being dropped."""

    @abc.abstractmethod
    def make_schema(self) -> None:
        """Creates the schema of all tables, if it is missing."""

    @abc.abstractmethod
    def qualified(self, name: str) -> str: ...

    def name_for_users(self, name: str) -> str:
        """The qualified name as it is in the user's own statements."""
        return self.qualified(name)

    @abc.abstractmethod
    def column_name(self, name: str) -> str:
        """A field's name as a column name of this database."""

    @abc.abstractmethod
    def name_key(self, name: str) -> str:
        """Names with equal keys are the same name to this database."""

    @abc.abstractmethod
    def columns_of(self, name: str) -> dict[str, tuple[str, str]]:
        """The table's columns: `name_key` of the name → (name, type)."""

    @abc.abstractmethod
    def _commented_columns(self, name: str, comment: str) -> list[str]:
        """The table's columns that have this comment."""

    def _can_relax(self, name: str) -> bool:  # noqa: ARG002 -- for those that cannot always
        """Whether NOT NULL can be dropped from columns of the table as it is."""
        return True

    @abc.abstractmethod
    def new_type(self, kind: Kind, digits: Digits | None) -> str:
        """The type of a new column; `digits` are known for some decimals."""

    def full_type(self, type_: str) -> str:
        """The name that an existing column has for the type of a new one."""
        return type_

    @abc.abstractmethod
    def alteration(self, qualified: str, column: Column, type_: str) -> str:
        """The statement that changes the type of a column and of its values."""

    @abc.abstractmethod
    def column(self, name: str, type_name: str) -> Column: ...

    @abc.abstractmethod
    def _refused_name(self, name: str) -> str | None:
        """What is wrong with a table's name, or None."""

    @abc.abstractmethod
    def _comment(self, name: str) -> str | None:
        """The table's comment, "" without one; None if there is no such table."""

    @abc.abstractmethod
    def _add(self, qualified: str, columns: dict[str, str]) -> None:
        """Adds columns: name → type."""

    @abc.abstractmethod
    def _create(self, qualified: str, table: Table, names: dict[str, str]) -> None: ...

    @abc.abstractmethod
    def _settle_key(self, qualified: str, table: Table, key: list[str]) -> None:
        """Makes the key's columns unique if they have to be, and only then."""

    def _shape(self, table: Table, names: dict[str, str]) -> dict[str, str]:
        """Column → type, for all columns that the table needs."""
        own = {name: self.new_type(kind, None) for name, kind in own_columns(table).items()}
        demanded = self._demanded.get(table.name, {})
        return {
            name: demanded.get(self.name_key(name)) or self.new_type(table.columns[field], table.digits.get(field))
            for field, name in names.items()
        } | own

    def _definitions(self, table: Table, names: dict[str, str]) -> list[str]:
        """The columns as CREATE TABLE has them."""
        required = self._required(table, names)
        return [
            f"{quoted(name)} {type_}{' NOT NULL' if name in required else ''}"
            for name, type_ in self._shape(table, names).items()
        ]

    def _required(self, table: Table, names: dict[str, str]) -> list[str]:
        """The columns that are never NULL, as the source promises; what identifies rows is checked anyway.

        Not those of JSON, whose null is stored as NULL.
        """
        return [
            name
            for field, name in names.items()
            if field in table.required and field not in table.identity and table.columns[field] is not Kind.JSON
        ]

    def _relax(self, qualified: str, table: Table, names: dict[str, str]) -> list[str]:
        """Ends the promises that the source no longer makes; returns their columns."""
        promised = {self.name_key(names[field]) for field in names.keys() & {*table.required, *table.key}}
        broken = [n for n in self._commented_columns(table.name, REQUIRED) if self.name_key(n) not in promised]
        if not broken or not self._can_relax(table.name):
            return []
        for name in broken:
            self._change(f"ALTER TABLE {qualified} ALTER COLUMN {quoted(name)} DROP NOT NULL")
            self._change(f"COMMENT ON COLUMN {qualified}.{quoted(name)} IS NULL")
        return broken

    def _change_types(self, qualified: str, table: Table, names: dict[str, str]) -> None:
        """Gives columns the types that values have demanded and, if the policy says so, what the source declares."""
        demanded = self._demanded.get(table.name, {})
        declares = table.schema_policy is SchemaPolicy.WIDEN
        if not demanded and not declares:
            return
        present = self.columns_of(table.name)
        for field, name in names.items():
            column = self.column(*present[self.name_key(name)])
            type_ = demanded.get(self.name_key(name))
            if type_ is None and declares and field not in table.inferred:
                needed = Needed(table.columns[field], table.digits.get(field))
                as_text = _may_become_text(table, field, column)
                type_ = self._wider_type(column, needed, declared=True, as_text=as_text)
            if type_ not in (None, column.type):
                self._change(self.alteration(qualified, column, str(type_)))

    def declared_type(self, target: Target, field: str) -> str | None:
        """The type with which the field's column would hold all that the source declares; None if it does."""
        column, needed = target.columns[field], Needed(target.table.columns[field], target.table.digits.get(field))
        as_text = _may_become_text(target.table, field, column)
        return self._wider_type(column, needed, declared=True, as_text=as_text)

    def _wider_type(self, column: Column, needed: Needed, *, declared: bool, as_text: bool) -> str | None:
        """The type that holds what `column` holds and what is needed; None if there is none, or if it is the column's.

        What is not `declared` by the source holds only one value that did not fit; a column may also be narrower than
        new ones of its kind are.
        """
        held = held_by(column.holds)
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

    def _add_missing(self, qualified: str, table: Table, names: dict[str, str]) -> None:
        present = self.columns_of(table.name)
        missing = {name: kind for name, kind in self._shape(table, names).items() if self.name_key(name) not in present}
        if missing:
            self._add(qualified, missing)
        if VALID_FROM_COLUMN in missing:
            since = f"UPDATE {qualified} SET {VALID_FROM_COLUMN} = {SYNCED_COLUMN}"  # noqa: S608 -- a quoted identifier
            self._change(since)

    def _check_name(self, name: str) -> None:
        if wrong := self._refused_name(name):
            raise ConfigurationError(f"table_name {name!r} {wrong}")
        if (other := self._names.setdefault(self.name_key(name), name)) != name:
            raise ConfigurationError(
                f"the tables {other!r} and {name!r} would be one table in this destination: rename one of them"
            )

    def _check_key_is_there(self, qualified: str, table: Table, names: dict[str, str]) -> None:
        if table.mode is not WriteMode.UPSERT and (table.mode is not WriteMode.HISTORY or table.full_refresh):
            return
        present = self.columns_of(table.name)
        missing = [names[field] for field in table.key if field in names and self.name_key(names[field]) not in present]
        if missing and self.has_rows(qualified):
            raise ConfigurationError(
                f"table {table.name!r} has rows, but no column {', '.join(map(repr, missing))}, which the key has now: "
                "its rows would not be recognised, and would be loaded twice. Undo the change of 'primary_key', "
                "'columns' or 'naming', or run 'syncline sources reset', which replaces the rows"
            )

    def _check_history(self, table: Table) -> None:
        if table.mode is not WriteMode.HISTORY and self.name_key(VALID_TO_COLUMN) in self.columns_of(table.name):
            raise ConfigurationError(
                f"table {table.name!r} has a history, which write_mode '{table.mode}' would destroy: set "
                "'write_mode: history', or another 'table_name'"
            )


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
