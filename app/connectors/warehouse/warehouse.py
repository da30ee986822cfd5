"""A destination with tables: rows wait in stages and move in one transaction with their bookmark."""

from __future__ import annotations

import abc
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from app.connectors.contract.batches import fields_of
from app.connectors.values.fitting import ValueRefusedError
from app.connectors.warehouse.deleted import deleted_message, settle_deleted
from app.connectors.warehouse.gone import gone_message
from app.connectors.warehouse.layout import (
    check_is_empty,
    inexact_fields,
    inexact_warning,
    left_out_warning,
    relaxed_message,
    widen,
    with_staged,
)
from app.domain.errors import SynclineError
from app.domain.writing import SchemaPolicy
from app.failpoints import fail_point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from app.connectors.contract.batches import Batch
    from app.connectors.contract.passes import DescribedTable, Emptied, Log, Position
    from app.connectors.contract.schema import Table
    from app.connectors.values.fitting import Column
    from app.connectors.warehouse.bookmarks import Bookmark
    from app.connectors.warehouse.layout import Target
    from app.connectors.warehouse.stage import Stage
    from app.connectors.warehouse.tables import Tables

T = TypeVar("T")

_ANEW: Final = (
    "Correct it at the source; or if the column has the wrong type, run 'syncline sources reset --drop', after which "
    "the table is made anew"
)


class Warehouse(abc.ABC):
    """The order of steps, the same for every database."""

    changes_in_commits: ClassVar[bool] = False
    """Whether tables change in the transaction that moves rows, and not before it: nobody else can read then."""

    def __init__(self, *, tables: Tables, bookmark: Bookmark, log: Log) -> None:
        self._tables = tables
        self._bookmark = bookmark
        self._log = log
        self._stages: dict[str, Stage] = {}
        self._reload_reason = ""
        self._deleted = Counter[str]()
        self._complete: set[str] = set()
        self._settled: set[str] = set()
        self._reserved: list[str] = []
        self._fillable: set[str] = set()

    def open(self) -> Position:
        with self._translate_errors("cannot prepare the bookmark table"):
            with self._changing_schema():
                self._tables.make_schema()
                self._bookmark.make_table()
            with self._transaction():
                position = self._bookmark.claim(tables_without_rows=self._tables.tables_without_rows)
        self._reload_reason = position.reason
        return position

    def begin(self, table: Table) -> None:
        """Stages rows for `table` from now on; what has to change in the destination changes with the next commit.

        So an attempt that fails leaves no table, column or index behind.
        """
        stage = self._stages.get(table.name)
        first = stage is None
        if stage is not None:
            table = with_staged(table, stage.target.table, column_key=self._tables.column_key)
        with self._translate_errors(f"cannot prepare table {table.name!r}"):
            target = self._plan(table, first=first)
            if first and (warning := inexact_warning(target, remedies=self._remedies(target))):
                self._log("warn", warning)
            if stage is not None:
                stage.widen(target)
            else:
                self._stages[table.name] = self._stage(target, number=len(self._stages))

    def _plan(self, table: Table, *, first: bool) -> Target:
        """How the table will be, so that what is impossible fails before the source is read."""
        with self._transaction():
            self._bookmark.hold()
            target = self._tables.plan(table)
            if (with_marker := target.with_unannounced_marker) is not None:
                target = self._tables.plan(with_marker)
            if first and self._reload_reason and not target.is_new:
                has_rows = partial(self._tables.has_rows, target.qualified)
                check_is_empty(table, reason=self._reload_reason, has_rows=has_rows)
        return target

    def _change(self, stages: Iterable[Stage]) -> list[tuple[Stage, Target]]:
        """Makes the tables as their stages need them, and reserves them; returns the stages of those that were not so.

        May be called again after its transaction was rolled back.
        """
        self._release_tables()
        self._bookmark.hold()
        return [(stage, self._change_table(stage.target)) for stage in stages if stage.target.pending]

    def _change_table(self, target: Target) -> Target:
        name = target.table.name
        if not self._tables.exists(name):
            if not target.is_new:
                raise SynclineError(
                    f"table {name!r} was dropped while rows were read for it: they do not continue from it"
                )
            self._bookmark.void_others(name, name_key=self._tables.name_key)
        made = self._tables.make_room(target.table)
        self._tables.reserve(name)
        self._reserved.append(name)
        return made

    def _settle(self, changed: Iterable[tuple[Stage, Target]]) -> None:
        for stage, target in changed:
            if message := relaxed_message(stage.target):
                self._log("info", message)
            stage.settle(target)

    def _release_tables(self) -> None:
        while self._reserved:
            self._tables.release(self._reserved.pop())

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
        if table not in self._fillable:
            self._check_can_be_filled(stage)
            self._fillable.add(table)
        with self._translate_errors(f"cannot stage rows of table {table!r}"):
            self._prepare(stage)
            while True:
                try:
                    stage.add(batch, fields)
                except ValueRefusedError as refused:
                    self._make_room_for(stage, refused)
                else:
                    return

    def _prepare(self, stage: Stage) -> None:  # noqa: B027 -- most need nothing
        """Before rows are added, for databases that can take some without staging them."""

    def _check_can_be_filled(self, stage: Stage) -> None:
        """Once the fields of the first rows are known: a source may announce fewer than it sends."""
        if stage.target.is_new:
            return
        with self._translate_errors(f"cannot look into table {stage.target.table.name!r}"), self._transaction():
            self._tables.check_can_be_filled(stage.target)

    def _make_room_for(self, stage: Stage, refused: ValueRefusedError) -> None:
        """Lets a column hold a value that it has refused; its rows are not staged yet.

        Raises:
            ValueRefusedError: no type would hold it, or the schema policy does not allow that; says what to do.
        """
        target = stage.target
        type_ = self._tables.types.type_for(target, refused, has_fractions=partial(self._has_fractions, stage))
        if type_ is None:
            raise ValueRefusedError(f"{refused}. {_ANEW}") if refused.column else refused
        field, column = next(item for item in target.columns.items() if item[1].name == refused.column)
        is_there = self._has_column(target, column)
        is_guessed = field in target.table.inferred and not is_there
        if target.table.schema_policy is not SchemaPolicy.WIDEN and not is_guessed:
            other = "correct the value or its type at the source"
            if is_there:
                other = f"run {self._tables.statement_for(target.table.name, column, type_)}"
            raise ValueRefusedError(f"{refused}. Set 'schema_policy: widen', or {other}")
        self._tables.demand(target.table.name, column.name, type_)
        try:
            self.begin(target.table)
        except BaseException:
            self._tables.withdraw(target.table.name, column.name)
            raise
        if stage.target.columns[field].type == column.type:
            raise refused

    def _has_fractions(self, stage: Stage, column: Column) -> bool:
        is_there = self._has_column(stage.target, column)
        with self._translate_errors(f"cannot look into table {stage.target.table.name!r}"), self._transaction():
            return stage.has_fractions(column, in_target=is_there)

    def _has_column(self, target: Target, column: Column) -> bool:
        """Whether the table already has it, and keeps it; others come with the next commit."""
        if target.is_new and target.pending:
            return False
        name = target.table.name
        with self._translate_errors(f"cannot look into table {name!r}"), self._transaction():
            return self._tables.name_key(column.name) in self._tables.columns_of(name)

    def _remedies(self, target: Target) -> list[str]:
        """The statements that would give columns of binary floats the decimals of their source."""
        return [
            self._tables.statement_for(target.table.name, target.columns[field], type_)
            for field in inexact_fields(target)
            if (type_ := self._tables.types.declared_type(target.table, field, target.columns[field]))
        ]

    def empty(self, emptied: Emptied) -> None:
        self._stages[emptied.table].empty(emptied)

    def complete(self, table: str) -> None:
        with self._translate_errors(f"cannot count the rows of table {table!r}"), self._transaction():
            self._stages[table].check_size()
        self._complete.add(table)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        moving = [stage for name, stage in self._stages.items() if self._may_move(name, final=final)]
        with self._translate_errors("cannot commit"), self._with_changes(moving), self._transaction():
            self._bookmark.hold()
            if self.changes_in_commits:
                self._settle(self._change(moving))
            rows = sum([stage.move() for stage in moving])
            fail_point("destination.committing")
            begun = [name for name, stage in self._stages.items() if not stage.target.table.aside]
            self._bookmark.move(bookmark, final=final, tables=self._tables_with_rows(), begun=begun)
            for name, stage in self._stages.items():
                if name not in self._settled and (final or name in self._complete):
                    self._tables.finish(stage.target)
            fail_point("destination.bookmarked")
        for name in self._complete - self._settled:
            self._stages[name].release()
        self._settled |= self._complete
        if final:
            self._warn_of_left_out()
            self._tell_deleted()
        return rows

    def _tables_with_rows(self) -> list[str]:
        """Those that the bookmark stands for. A load may find all of its rows in its table, and move none."""
        stages = {name: stage for name, stage in self._stages.items() if not stage.target.table.aside}
        for stage in stages.values():
            if not (stage.has_rows or stage.target.pending):
                stage.has_rows = self._tables.has_rows(stage.target.qualified)
        return [name for name, stage in stages.items() if stage.has_rows]

    def has_rows(self, table: str) -> bool:
        with self._translate_errors(f"cannot look into table {table!r}"), self._transaction():
            return not self._tables.tables_without_rows([table])

    def may_fill(self, table: str) -> bool:
        return not self.has_rows(table)

    def count_rows(self, table: str) -> int | None:
        with self._translate_errors(f"cannot count the rows of table {table!r}"), self._transaction():
            return self._tables.count_rows(table)

    def own_tables(self) -> dict[str, bool]:
        with self._translate_errors("cannot list the tables"), self._transaction():
            own = self._bookmark.own_tables(name_key=self._tables.name_key)
            return {name: shared for name, shared in own.items() if self._tables.exists(name)}

    def drop_table(self, table: str) -> None:
        with self._translate_errors(f"cannot drop table {table!r}"):
            self._change_schema(lambda: self._tables.drop(table))

    def describe_tables(self) -> list[DescribedTable]:
        return [stage.target.description() for stage in self._stages.values()]

    @abc.abstractmethod
    def close(self) -> None:
        """Discards whatever is not committed; may be called at any time and more than once."""

    @abc.abstractmethod
    def _transaction(self) -> AbstractContextManager[None]:
        """Commits at its end, or rolls back."""

    def _change_schema(self, work: Callable[[], T]) -> T:
        """What `work` returns, which changes tables in one transaction, and may be called again if that fails."""
        with self._changing_schema():
            return work()

    @abc.abstractmethod
    def _changing_schema(self) -> AbstractContextManager[None]:
        """A transaction in which no other process creates or widens tables."""

    @contextmanager
    def _with_changes(self, moving: Sequence[Stage]) -> Iterator[None]:
        """Changes the tables first, in a short transaction of their own: while rows move, others can read them.

        If the rows do not arrive, new tables are dropped again, and so are new columns and indexes of others.
        """
        if self.changes_in_commits or not any(stage.target.pending for stage in moving):
            yield
            return
        changed = self._change_schema(partial(self._change, moving))
        try:
            self._settle(changed)
            yield
        except BaseException:
            with suppress(Exception), self._changing_schema():
                self._release_tables()
                for stage, _ in changed:
                    self._tables.drop_unfinished(stage.target.table.name)
            for stage, _ in changed:
                self._take_back(stage.target.table.name)
            raise
        self._release_tables()

    def _take_back(self, table: str) -> None:
        stay = self._tables.added(table)
        with suppress(Exception), self._changing_schema():
            stay = self._tables.take_back(table)
        if stay:
            self._log(
                "warn",
                f"table {table!r} keeps {', '.join(map(repr, stay))}, which this attempt has added for rows that did "
                "not arrive: others use the table or have filled them, or the connection is lost",
            )

    @abc.abstractmethod
    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        """Turns the database's errors into Syncline's; `doing` says what could not be done."""

    @abc.abstractmethod
    def _stage(self, target: Target, *, number: int) -> Stage: ...

    def _may_move(self, name: str, *, final: bool) -> bool:
        if name in self._settled:  # its rows have moved, and none would now replace them
            return False
        stage = self._stages[name]
        return final or name in self._complete or (stage.waits and not stage.target.table.comes_at_once)

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
