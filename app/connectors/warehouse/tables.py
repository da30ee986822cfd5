"""Creates, widens and describes the tables of a warehouse, by the rules that all warehouses share."""

from __future__ import annotations

import abc
from functools import partial
from typing import TYPE_CHECKING

from app.connectors.contract.schema import Kind
from app.connectors.warehouse.changes import Changes, take
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

    from app.connectors.contract.schema import Table
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.changes import Step
    from app.connectors.warehouse.column_types import ColumnTypes
    from app.connectors.warehouse.session import Session
    from app.domain.naming import Naming

UNFINISHED = "syncline: its first load is not complete yet"
"""The comment of a table that no load has completed: it may still get columns, whatever its schema policy.

Without rows it is made anew, with the columns and types that the source has by then.
"""

REQUIRED = "syncline: NOT NULL as long as the source says so"
"""The comment of a column that is NOT NULL because the source promises it."""


class Tables(abc.ABC):
    def __init__(self, session: Session, types: ColumnTypes, *, naming: Naming) -> None:
        self._session = session
        self.types = types
        self._named = namer(naming)
        self._names: dict[str, str] = {}
        self._demanded: dict[str, dict[str, str]] = {}
        self._added: dict[str, list[str]] = {}

    def plan(self, table: Table) -> Target:
        """How the table will be after `make_room`; `pending` if it is not so yet. Changes nothing.

        Raises:
            ConfigurationError: a name is not possible, the schema policy forbids a new column, existing rows contradict
                the key or the mode, or something keeps a column from changing its type.
        """
        comment = self._comment(table.name)
        if comment == UNFINISHED and self._is_disposable(self.qualified(table.name)):
            comment = None
        return self._plan(table, comment=comment)[0]

    def make_room(self, table: Table) -> Target:
        """Creates the table or adds what it lacks, in a transaction in which no other process changes the schema.

        Raises:
            ConfigurationError: as for `plan`; or rows have the same values of a new key.
        """
        comment = None if self.drop_unfinished(table.name) else self._comment(table.name)
        target, changes = self._plan(table, comment=comment)
        self._added[table.name] = changes.added
        changes.carry_out()
        return target

    @abc.abstractmethod
    def check_can_be_filled(self, target: Target) -> None:
        """Whether new rows with the target's columns can be added to a table that exists.

        Raises:
            ConfigurationError: another column must have a value, too.
        """

    def take_back(self, name: str) -> list[str]:
        """Undoes what `make_room` has last added to a table that existed; returns what stays nevertheless.

        For databases whose tables change before rows move; in a transaction in which no other process changes them.
        """
        return self.added(name)

    def added(self, name: str) -> list[str]:
        """The columns, and perhaps indexes, that `make_room` has last added to a table that existed."""
        return self._added.get(name, [])

    def _plan(self, table: Table, *, comment: str | None) -> tuple[Target, Changes]:
        """The table as it will be, and the changes that lead there; `comment` is None if it is to be made."""
        self._check_name(table.name)
        names = column_names(table, column_name=self.column_name, name_key=self.name_key)
        qualified = self.qualified(table.name)
        changes = Changes(self._session, {} if comment is None else self.columns_of(table.name))
        left_out: tuple[str, ...] = ()
        relaxed: list[str] = []
        if comment is None:
            self._create(changes, qualified, table, names)
        else:
            self._check_history(table)
            if not table.schema_policy.adds_columns and comment != UNFINISHED:
                there = changes.columns.keys()
                names, left_out = admit_columns(table, names, new=lambda name: self.name_key(name) not in there)
            self._check_key_is_there(changes, qualified, table, names)
            self._add_missing(changes, qualified, table, names)
            self._change_types(changes, qualified, table, names)
            relaxed = self._relax(changes, qualified, table, names)
        find_key_steps = partial(self._key_steps, qualified, table, [names[field] for field in table.key])
        changes.steps += [lambda: take(find_key_steps())] if comment is None else find_key_steps()
        described = {field: self.types.column(*changes.columns[self.name_key(name)]) for field, name in names.items()}
        free = changes.columns.keys() - {self.name_key(name) for name in (*names.values(), *OWN_COLUMNS)}
        target = Target(
            table,
            qualified,
            described,
            left_out=left_out,
            unfinished=comment in (None, UNFINISHED),
            is_new=comment is None,
            pending=bool(changes.steps),
            relaxed=tuple(relaxed),
            has_marks=self.name_key(DELETED_COLUMN) in changes.columns,
            vacant=lambda field: self.name_key(self.column_name(field)) in free,
        )
        return target, changes

    def demand(self, table: str, column: str, type_: str) -> None:
        """From now on `make_room` gives the column this type."""
        self._demanded.setdefault(table, {})[self.name_key(column)] = type_

    def withdraw(self, table: str, column: str) -> None:
        """Ends what `demand` began."""
        self._demanded.get(table, {}).pop(self.name_key(column), None)

    def statement_for(self, table: str, column: Column, type_: str) -> str:
        """What a user could run to give the column this type."""
        return self.types.alteration(self.name_for_users(table), column, type_)

    def exists(self, name: str) -> bool:
        return self._comment(name) is not None

    def drop(self, name: str) -> None:
        self._session.run(f"DROP TABLE IF EXISTS {self.qualified(name)}")

    def tables_without_rows(self, names: Sequence[str]) -> list[str]:
        """Those of the tables that are missing or empty."""
        return [name for name in names if not self.exists(name) or not self.has_rows(self.qualified(name))]

    def drop_unfinished(self, name: str) -> bool:
        """Drops a table that no load has completed if it has no rows and nothing depends on it; whether it did.

        A table that another attempt has reserved stays: its rows are about to move.
        """
        qualified = self.qualified(name)
        if self._comment(name) != UNFINISHED or not self._lock(qualified) or not self._is_disposable(qualified):
            return False
        self._session.run(f"DROP TABLE {qualified}")
        return True

    def _is_disposable(self, qualified: str) -> bool:
        return not self.has_rows(qualified) and not self._has_dependents(qualified)

    def has_rows(self, qualified: str) -> bool:
        return self._session.row(f"SELECT 1 FROM {qualified} LIMIT 1") is not None  # noqa: S608 -- a quoted identifier

    def count_rows(self, name: str) -> int | None:
        """None if there is no such table."""
        if not self.exists(name):
            return None
        found = self._session.row(f"SELECT count(*) FROM {self.qualified(name)}")  # noqa: S608 -- a quoted identifier
        return int(found[0]) if found else None

    def finish(self, target: Target) -> None:
        """Notes that a load of the table is complete."""
        if target.unfinished:
            self._session.run(f"COMMENT ON TABLE {target.qualified} IS NULL")

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

    def column_key(self, field: str) -> str:
        """Fields with equal keys have one column."""
        return self.name_key(self.column_name(field))

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
    def _refused_name(self, name: str) -> str | None:
        """What is wrong with a table's name, or None."""

    @abc.abstractmethod
    def _comment(self, name: str) -> str | None:
        """The table's comment, "" without one; None if there is no such table."""

    # Steps of a plan. To ask for one raises `ConfigurationError` if it is sure to fail.

    @abc.abstractmethod
    def _creating(self, qualified: str, table: Table, names: dict[str, str]) -> Step: ...

    @abc.abstractmethod
    def _adding(self, qualified: str, columns: dict[str, str]) -> list[Step]:
        """Add columns: name → type."""

    @abc.abstractmethod
    def _retyping(self, qualified: str, column: Column, type_: str) -> Step:
        """Changes the type of a column and of its values."""

    @abc.abstractmethod
    def _relaxing(self, qualified: str, column: str) -> Step:
        """Drops NOT NULL."""

    @abc.abstractmethod
    def _key_steps(self, qualified: str, table: Table, key: list[str]) -> list[Step]:
        """Make the key's columns unique if they have to be, and only then; empty if they are so."""

    def _create(self, changes: Changes, qualified: str, table: Table, names: dict[str, str]) -> None:
        changes.steps.append(self._creating(qualified, table, names))
        changes.run(f"COMMENT ON TABLE {qualified} IS '{UNFINISHED}'")
        for name in self._required(table, names):
            changes.run(f"COMMENT ON COLUMN {qualified}.{quoted(name)} IS '{REQUIRED}'")
        self._note_types(changes, self._shape(table, names))

    def _note_types(self, changes: Changes, types: dict[str, str]) -> None:
        for name, type_ in types.items():
            changes.columns[self.name_key(name)] = (name, self.types.full_type(type_))

    def _shape(self, table: Table, names: dict[str, str]) -> dict[str, str]:
        """Column → type, for all columns that the table needs."""
        own = {name: self.types.new_type(kind, None) for name, kind in own_columns(table).items()}
        demanded = self._demanded.get(table.name, {})
        return {
            name: demanded.get(self.name_key(name))
            or self.types.new_type(table.columns[field], table.digits.get(field))
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

    def _relax(self, changes: Changes, qualified: str, table: Table, names: dict[str, str]) -> list[str]:
        """Ends the promises that the source no longer makes; returns their columns."""
        promised = {self.name_key(names[field]) for field in names.keys() & {*table.required, *table.key}}
        broken = [n for n in self._commented_columns(table.name, REQUIRED) if self.name_key(n) not in promised]
        if not broken or not self._can_relax(table.name):
            return []
        for name in broken:
            changes.steps.append(self._relaxing(qualified, name))
            changes.run(f"COMMENT ON COLUMN {qualified}.{quoted(name)} IS NULL")
        return broken

    def _change_types(self, changes: Changes, qualified: str, table: Table, names: dict[str, str]) -> None:
        """Gives columns the types that values have demanded, and those that are declared by who may change them."""
        demanded = self._demanded.get(table.name, {})
        policy = table.schema_policy
        declares = policy is SchemaPolicy.WIDEN or (policy is SchemaPolicy.EVOLVE and table.declared_by_user)
        if not demanded and not declares:
            return
        for field, name in names.items():
            column = self.types.column(*changes.columns[self.name_key(name)])
            type_ = demanded.get(self.name_key(name))
            if type_ is None and declares and field not in table.inferred:
                type_ = self.types.declared_type(table, field, column)
            if type_ is not None and type_ != column.type:
                try:
                    changes.steps.append(self._retyping(qualified, column, type_))
                except ConfigurationError:
                    # What is only declared may be wider than all values that come.
                    if policy is SchemaPolicy.EVOLVE and self.name_key(name) not in demanded:
                        continue
                    raise
                self._note_types(changes, {column.name: type_})

    def _add_missing(self, changes: Changes, qualified: str, table: Table, names: dict[str, str]) -> None:
        shape = self._shape(table, names)
        missing = {name: type_ for name, type_ in shape.items() if self.name_key(name) not in changes.columns}
        if missing:
            changes.steps += self._adding(qualified, missing)
            changes.added += missing
            self._note_types(changes, missing)
        if VALID_FROM_COLUMN in missing:
            changes.run(f"UPDATE {qualified} SET {VALID_FROM_COLUMN} = {SYNCED_COLUMN}")  # noqa: S608 -- quoted identifiers

    def _check_name(self, name: str) -> None:
        if wrong := self._refused_name(name):
            raise ConfigurationError(f"table_name {name!r} {wrong}")
        if (other := self._names.setdefault(self.name_key(name), name)) != name:
            raise ConfigurationError(
                f"the tables {other!r} and {name!r} would be one table in this destination: rename one of them"
            )

    def _check_key_is_there(self, changes: Changes, qualified: str, table: Table, names: dict[str, str]) -> None:
        if table.mode is not WriteMode.UPSERT and (table.mode is not WriteMode.HISTORY or table.full_refresh):
            return
        there = changes.columns.keys()
        missing = [names[field] for field in table.key if field in names and self.name_key(names[field]) not in there]
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
                "'write_mode: history' or another 'table_name', or run 'syncline sources reset --drop', which drops "
                "the table with its history"
            )
