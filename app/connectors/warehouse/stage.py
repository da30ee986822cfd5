"""Staged rows: a temporary table that is filled outside of transactions and moved into its target inside one."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Final

import pyarrow as pa  # type: ignore[import-untyped]

from app.connectors.warehouse.deleted import remove_deleted
from app.connectors.warehouse.gone import clear_marks, count_left, settle_gone
from app.connectors.warehouse.history import add_versions
from app.connectors.warehouse.layout import (
    PRESENT_COLUMN,
    ROW_COLUMN,
    VALID_TO_COLUMN,
    column_list,
    quoted,
    with_own,
)
from app.connectors.warehouse.partial import Partial
from app.connectors.warehouse.resent import Resent
from app.connectors.warehouse.shrinkage import check_shrinkage
from app.connectors.warehouse.staged import Staged
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.numbers import EXACT_IN_A_DOUBLE
from app.domain.writing import Deletes, WriteMode

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import Emptied
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.session import Session


_MOST_VALUES: Final = 1000


class Stage(Staged):
    """The staged rows of one table, numbered as they arrived; `gone` counts rows that the source no longer has.

    They are moved without sorting, which keeps the order in which they arrived: sorting a million rows would take a
    quarter of the time of moving them, and more memory than an attempt has.
    """

    def __init__(self, session: Session, target: Target, *, number: int, task_id: str) -> None:
        super().__init__(target, number=number)
        self._session = session
        self._task_id = task_id
        self._resent = Resent(session, self, number=number)
        self._partial = Partial(session, self, number=number)
        self._emptied: dict[str, list[str]] = {}
        self.gone = 0
        self.has_rows = False
        """Whether the target is known to have rows."""
        self.waits = False
        """Whether rows are staged, or noted to be deleted."""
        self._rows = 0
        self.columns.update({column.name: column.type for column in target.columns.values()})
        staged = "".join(f", {quoted(name)} {type_}" for name, type_ in self.columns.items())
        session.run(f"CREATE TEMPORARY TABLE {self.name} ({ROW_COLUMN} bigint{staged})")
        self.widen(target)

    def widen(self, target: Target) -> None:
        """Replaces the description of the target, which may have more columns."""
        self.target = target
        for column in target.columns.values():
            staged = self.columns.get(column.name)
            if staged is None:
                self._session.run(f"ALTER TABLE {self.name} ADD COLUMN {quoted(column.name)} {column.type}")
            elif staged != column.type:
                self._session.run(self._alteration(column, staged))
            self.columns[column.name] = column.type
        self._partial.widen({column.name: field for field, column in target.columns.items()})

    @abc.abstractmethod
    def _alteration(self, column: Column, staged: str) -> str:
        """The statement that changes the type of a staged column to that of `column`."""

    def settle(self, target: Target) -> None:
        """The table is now as `target` says; raises `SynclineError` if the staged rows do not belong into it."""
        if {column.name: column.type for column in target.columns.values()} != self.columns:
            raise SynclineError(f"the columns of table {target.table.name!r} have changed while rows were read for it")
        self.target = dataclasses.replace(target, pending=False)

    def has_fractions(self, column: Column, *, in_target: bool) -> bool:
        """Whether a column of floats, which the target may have, has values that are not integers, exactly."""
        name = quoted(column.name)
        tables = [self.name, self.target.qualified] if in_target else [self.name]
        odd = f"NOT ({name} = trunc({name}) AND abs({name}) <= {EXACT_IN_A_DOUBLE})"
        return any(
            self._session.row(f"SELECT 1 FROM {table} WHERE {odd} LIMIT 1")  # noqa: S608 -- quoted identifiers
            for table in tables
        )

    @abc.abstractmethod
    def add(self, batch: Batch, fields: AbstractSet[str]) -> None:
        """Fits and stages rows with these fields; raises `ValueRefusedError`."""

    def _number_rows(self, batch: Batch, fields: AbstractSet[str]) -> pa.RecordBatch:
        """The rows of `batch` as the target needs them, with their numbers first; raises `ValueRefusedError`."""
        arrays = self.target.fit(batch)
        numbers = pa.arange(self._rows, self._rows + len(batch))
        self._rows += len(batch)
        self.waits = True
        presence = self._partial.presence(batch, fields)
        own = {ROW_COLUMN: numbers} | ({} if presence is None else {PRESENT_COLUMN: presence})
        return pa.record_batch(own | arrays)

    def empty(self, emptied: Emptied) -> None:
        """Notes rows that are to be deleted from the target before the staged ones move."""
        if emptied.column not in self.target.columns:
            raise ConfigurationError(
                f"table {emptied.table!r} has no column {emptied.column!r}, and its schema_policy adds none: add the "
                "column, or set 'schema_policy: evolve'"
            )
        self._emptied.setdefault(emptied.column, []).append(emptied.value)
        self.waits = True

    def move(self) -> int:
        """Moves the rows into the target in the caller's transaction; returns how many were inserted or changed.

        Raises:
            SynclineError: too many rows of the target would go.
        """
        emptied = self._empty_target()
        self._drop_older()
        self._rows += self._partial.complete(first_number=self._rows)
        removed = remove_deleted(self._session, self) if self.target.table.deletes is Deletes.REMOVE else 0
        moved = removed + self._move_rows()
        self.has_rows = self.has_rows or moved > 0
        if emptied:
            rows = "rows in the windows of time that were read again"
            check_shrinkage(self.target.table, had=lambda: emptied, sent=moved, rows=rows)
        self._session.run(f"TRUNCATE {self.name}")
        self.waits = False
        return moved

    def check_size(self) -> None:
        """Raises `SynclineError` already now if a replacement would be refused when it moves with other tables."""
        if self.target.table.comes_at_once and self.target.table.mode is WriteMode.REPLACE and not self.target.is_new:
            check_shrinkage(self.target.table, had=self._count_target, sent=self._rows)

    def _count_target(self) -> int:
        found = self._session.row(f"SELECT count(*) FROM {self.target.qualified}")  # noqa: S608 -- a quoted identifier
        return int(found[0]) if found else 0

    def release(self) -> None:
        """Gives up what the stage takes up; no more rows come."""

    @abc.abstractmethod
    def _upsert(self) -> int:
        """The newest row of each key wins; an equal existing row stays untouched."""

    def _empty_target(self) -> int:
        """Deletes the noted rows; returns how many they were."""
        deleted = 0
        for field, values in self._emptied.items():
            column = self.target.columns[field].name
            # Many at once, as each statement scans the table, but not more than a statement may have parameters.
            for begin in range(0, len(values), _MOST_VALUES):
                some = values[begin : begin + _MOST_VALUES]
                listed_values = ", ".join(
                    f"CAST(${number} AS {self.columns[column]})" for number in range(1, len(some) + 1)
                )
                deleted += self._session.run(
                    f"DELETE FROM {self.target.qualified} WHERE {quoted(column)} IN ({listed_values})",  # noqa: S608 -- quoted identifiers
                    *some,
                )
        self._emptied.clear()
        return deleted

    def _drop_older(self) -> None:
        """Removes staged rows of which the target has a newer version; a snapshot replaces even that."""
        table, there, here = self.target.table, self.version("kept"), self.version("staged")
        of_one_form = "" if self.form("kept") is None else f"{self.form('kept')} = {self.form('staged')} AND"
        if there is None or table.mode is WriteMode.REPLACE or table.full_refresh:
            return
        counts = f"AND kept.{VALID_TO_COLUMN} IS NULL" if table.mode is WriteMode.HISTORY else ""
        self._session.run(
            f"""
            DELETE FROM {self.name} AS staged USING {self.target.qualified} AS kept
            WHERE {self.matches()} {counts}
                AND {there} IS NOT NULL AND ({here} IS NULL OR {of_one_form} {here} < {there})
            """  # noqa: S608 -- quoted identifiers
        )

    def _move_rows(self) -> int:
        match self.target.table.mode:
            case WriteMode.UPSERT:
                return (self._upsert() if self.target.key else 0) + self._settle_the_rest()
            case WriteMode.HISTORY:
                return add_versions(self._session, self, task_id=self._task_id)
            case WriteMode.REPLACE:
                return self._replace()
            case WriteMode.APPEND if not self.target.table.full_refresh:
                self._resent.drop()
        return self._append()

    def _replace(self) -> int:
        if self.target.table.gradual:
            return self._append()
        # Not TRUNCATE, which would show an empty table to readers with an older snapshot.
        deleted = self._session.run(f"DELETE FROM {self.target.qualified}")  # noqa: S608 -- a quoted identifier
        added = self._append()
        check_shrinkage(self.target.table, had=lambda: deleted, sent=added)
        return added

    def _settle_the_rest(self) -> int:
        """What an upsert leaves to do: marks to clear, and rows that are gone."""
        cleared = clear_marks(self._session, self, task_id=self._task_id)
        self.gone += (gone := settle_gone(self._session, self, task_id=self._task_id))
        if gone:
            left = count_left(self._session, self)
            check_shrinkage(self.target.table, had=lambda: left + gone, sent=left)
        return cleared + gone

    def _append(self) -> int:
        names = column_list(self.columns)
        return self._session.run(
            f"""
            INSERT INTO {self.target.qualified} ({with_own(names)})
            SELECT {with_own(names, "$1", "now()")} FROM {self.newest()} AS staged
            """,  # noqa: S608 -- quoted identifiers
            self._task_id,
        )
