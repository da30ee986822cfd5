"""A destination with tables: rows wait in stages and move in one transaction with their bookmark."""

from __future__ import annotations

import abc
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from app.connectors.contract.batches import fields_of
from app.connectors.warehouse.deleted import deleted_message, settle_deleted
from app.connectors.warehouse.gone import gone_message
from app.connectors.warehouse.layout import (
    check_is_empty,
    inexact_warning,
    left_out_warning,
    relaxed_message,
    widen,
)
from app.failpoints import fail_point

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import DescribedTable, Emptied, Log, Position
    from app.connectors.contract.schema import Table
    from app.connectors.warehouse.bookmarks import Bookmark
    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.stage import Stage
    from app.connectors.warehouse.tables import Tables


class Warehouse(abc.ABC):
    """The order of steps, the same for every database."""

    def __init__(self, *, tables: Tables, bookmark: Bookmark, log: Log) -> None:
        self._tables = tables
        self._bookmark = bookmark
        self._log = log
        self._stages: dict[str, Stage] = {}
        self._reload_reason = ""
        self._deleted = Counter[str]()

    def open(self) -> Position:
        with self._translate_errors("cannot prepare the bookmark table"):
            with self._changing_schema():
                self._tables.make_schema()
                self._bookmark.make_table()
            with self._transaction():
                position = self._bookmark.claim(missing_tables=self._tables.missing_tables)
        self._reload_reason = position.reason
        return position

    def begin(self, table: Table) -> None:
        with self._translate_errors(f"cannot prepare table {table.name!r}"):
            with self._changing_schema():
                self._bookmark.hold()
                first = table.name not in self._stages
                if first and self._tables.missing_tables([table.name]):
                    self._bookmark.void_others(table.name)
                target = self._tables.make_room(table)
                if (with_marker := target.with_unannounced_marker) is not None:
                    target = self._tables.make_room(with_marker)
                if first and self._reload_reason:
                    has_rows = partial(self._tables.has_rows, target.qualified)
                    check_is_empty(table, reason=self._reload_reason, has_rows=has_rows)
            if message := relaxed_message(target):
                self._log("info", message)
            if first and (warning := inexact_warning(target)):
                self._log("warn", warning)
            if stage := self._stages.get(table.name):
                stage.widen(target)
            else:
                self._stages[table.name] = self._stage(target, number=len(self._stages))

    def write(self, table: str, batch: Batch) -> None:
        stage = self._stages[table]
        fields = fields_of(batch)
        if stage.target.table.delete_marker in fields:
            batch, deleted = settle_deleted(stage.target.table, batch)
            self._deleted[table] += deleted
            if not len(batch):
                return
        if wider := widen(stage.target.table, batch, fields=fields, vacant=stage.target.vacant):
            self.begin(wider)
        with self._translate_errors(f"cannot stage rows of table {table!r}"):
            stage.add(batch, fields)

    def empty(self, emptied: Emptied) -> None:
        self._stages[emptied.table].empty(emptied)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        moving = [stage for stage in self._stages.values() if final or not stage.target.table.comes_at_once]
        with self._translate_errors("cannot commit"), self._transaction():
            self._bookmark.hold()
            rows = sum([stage.move() for stage in moving])
            fail_point("destination.committing")
            self._bookmark.move(bookmark, final=final, tables=self._stages)
            if final:
                self._finish()
            fail_point("destination.bookmarked")
        if final:
            self._warn_of_left_out()
            self._tell_deleted()
        return rows

    def describe_tables(self) -> list[DescribedTable]:
        return [stage.target.description() for stage in self._stages.values()]

    @abc.abstractmethod
    def close(self) -> None:
        """Discards whatever is not committed; may be called at any time and more than once."""

    @abc.abstractmethod
    def _transaction(self) -> AbstractContextManager[None]:
        """Commits at its end, or rolls back."""

    @abc.abstractmethod
    def _changing_schema(self) -> AbstractContextManager[None]:
        """A transaction in which no other process creates or widens tables."""

    @abc.abstractmethod
    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        """Turns the database's errors into Syncline's; `doing` says what could not be done."""

    @abc.abstractmethod
    def _stage(self, target: Target, *, number: int) -> Stage: ...

    def _finish(self) -> None:
        for stage in self._stages.values():
            self._tables.finish(stage.target)

    def _warn_of_left_out(self) -> None:
        for name, stage in self._stages.items():
            if warning := left_out_warning(name, stage.target):
                self._log("warn", warning)

    def _tell_deleted(self) -> None:
        for name, count in self._deleted.items():
            if count:
                self._log("info", deleted_message(self._stages[name].target.table, count))
        for stage in self._stages.values():
            if stage.gone:
                self._log("info", gone_message(stage.target.table, stage.gone))
