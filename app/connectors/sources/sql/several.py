"""Several tables of a database: found when an attempt begins, and read one after the other in one snapshot."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import literal, select

from app.connectors.contract.blame import joined
from app.connectors.contract.passes import Checkpoint, Completed, Unreadable
from app.connectors.contract.schema import Table
from app.connectors.contract.several import ONE_TABLE
from app.connectors.programs.excerpts import join_names
from app.connectors.programs.table_names import shared_table_error, table_name
from app.connectors.sources.sql.bookmarks import Bookmarks
from app.connectors.sources.sql.patterns import Patterns
from app.connectors.sources.sql.reading import Reading
from app.connectors.sources.sql.selection import Selection
from app.domain.attempt_protocol import CopyJob
from app.domain.choices import nearest
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, NestedTransaction

    from app.connectors.contract.passes import Item, Log
    from app.connectors.sources.sql.database import Database
    from app.connectors.sources.sql.dialect import FoundTable
    from app.connectors.sources.sql.options import SqlOptions, SqlParameters
    from app.connectors.sources.sql.patterns import Chosen
    from app.domain.attempt_protocol import SourceJob


class Several:
    """The tables that match the collection's patterns, each with a destination table and a bookmark of its own."""

    def __init__(
        self, database: Database, options: SqlOptions, parameters: SqlParameters, job: SourceJob, *, log: Log
    ) -> None:
        if job.collection.windows is not None:
            raise ConfigurationError(f"an 'interval' {ONE_TABLE}")
        self._database = database
        self._options = options
        self._job = job
        self._log = log
        self._patterns = Patterns.of(options, parameters, job.collection)
        self._common = Selection.of(options, parameters, job.collection)
        self._task = job.task if isinstance(job, CopyJob) else ""
        self._begun = self._total = 0
        self._reading: Reading | None = None

    def check(self, connection: Connection) -> None:
        """Raises `SynclineError` if a table cannot be read; the error names all of them."""
        chosen = self._find(connection)
        self._table_names(chosen)
        errors: list[SynclineError] = [chosen.unknown_error(name) for name in chosen.missing]
        for table in chosen.tables.values():
            try:
                with self._apart(connection):
                    self._open(connection, table).check_lookback()
            except SynclineError as error:
                errors.append(error)
        if errors:
            raise joined(errors)

    def items(self, connection: Connection, bookmark: str | None) -> Iterator[Item]:
        """What is new in each table. One that cannot be read does not keep the others back."""
        bookmarks = Bookmarks(bookmark, task=self._task)
        chosen = self._find(connection)
        names = self._table_names(chosen)
        self._tell(chosen, bookmarks)
        for name in chosen.missing:
            yield self._unreadable("", chosen.unknown_error(name))
        self._total = len(names)
        for name, table in chosen.tables.items():
            if not bookmarks.is_loaded(name):
                yield from self._table(connection, table, name, names[name], bookmarks)
            self._begun += 1
        yield Checkpoint(bookmarks.text())

    def progress(self) -> float | None:
        """Each table counts the same: nothing says how many rows all of them have."""
        current = self._reading and self._reading.progress()
        return (self._begun + (current or 0)) / self._total if self._total else None

    def _find(self, connection: Connection) -> Chosen:
        with self._database.translate_errors("cannot list the tables"):
            found = self._database.dialect.tables(connection, self._patterns.searched_schema)
        chosen = self._patterns.choose(found)
        cursor = self._common.cursor_field
        self._check_columns("cursor_field", (cursor,) if cursor else (), chosen, without="read all tables as a whole")
        self._check_columns("key", self._common.key, chosen, without="use the key that each table has itself")
        return chosen

    def _check_columns(self, key: str, names: tuple[str, ...], chosen: Chosen, *, without: str) -> None:
        """Raises `ConfigurationError` for columns that no table has: that is a misspelling."""
        if any({*names} <= {*table.columns} for table in chosen.tables.values()):
            return
        known = sorted({column for table in chosen.tables.values() for column in table.columns})
        near = next(filter(None, (nearest(name, known) for name in names if name not in known)), None)
        raise ConfigurationError(
            f"{key} names {', '.join(map(repr, names))}, but no table has that"
            + (f". Did you mean {near!r}?" if near else f": correct it, or remove it to {without}")
        )

    def _table_names(self, chosen: Chosen) -> dict[str, str]:
        """The destination's table for each; raises `ConfigurationError` if two would share one."""
        options, collection = self._options, self._job.collection
        prefix = options.stream_table_name_prefix
        if prefix is None and collection.table_name == f"{self._job.source}_{collection.name}":
            prefix = f"{self._job.source}_"
        names: dict[str, str] = {}
        for name in chosen.tables:
            target = options.stream_table_names.get(name) or table_name(name, collection, prefix=prefix)
            if target in names.values():
                raise shared_table_error(target)
            names[name] = target
        return names

    def _tell(self, chosen: Chosen, bookmarks: Bookmarks) -> None:
        """Logs what is different from the last time, and forgets tables that are gone."""
        tables = chosen.tables
        gone = sorted(bookmarks.tables - tables.keys())
        if bookmarks.tables and (new := [name for name in tables if name not in bookmarks.tables]):
            self._log("info", f"new: {join_names(new)}")
        if gone:
            self._log(
                "warn",
                f"no longer in the database, or no longer chosen: {join_names(gone)}. Rows that were loaded from there "
                "stay, and later ones are not loaded. A table that comes back is loaded whole",
            )
        for name in gone:
            bookmarks.forget(name)
        if chosen.idle:
            self._log("warn", f"these patterns match no table: {join_names(chosen.idle)}")
        cursor = self._common.cursor_field
        if cursor and (whole := [name for name, table in tables.items() if cursor not in table.columns]):
            self._log("info", f"read as a whole, because they have no column {cursor!r}: {join_names(whole)}")
        if again := [name for name, table in tables.items() if self._begins_anew(table, name, bookmarks)]:
            self._log("info", f"read as a whole once more, and from then on by {cursor!r}: {join_names(again)}")
        if loaded := [name for name in tables if bookmarks.is_loaded(name)]:
            self._log("info", f"loaded by an earlier attempt of this task: {join_names(loaded)}")

    def _table(
        self, connection: Connection, table: FoundTable, name: str, target: str, bookmarks: Bookmarks
    ) -> Iterator[Item]:
        anew = self._begins_anew(table, name, bookmarks)
        reached: str | None = None
        try:
            with self._apart(connection):
                reading = self._reading = self._open(connection, table)
                wanted = reading.since(bookmarks.of(name))
                for item in reading.items(wanted, table_name=target, chunk_rows=self._options.chunk_rows):
                    if isinstance(item, Table):
                        yield replace(item, apart=True, full_refresh=item.full_refresh or anew)
                    elif not isinstance(item, Checkpoint):
                        yield item
                    elif item.bookmark is not None:
                        reached = item.bookmark
                        if not anew:
                            bookmarks.reach(name, reached)
                            yield Checkpoint(bookmarks.text())
            yield Completed(target)
        except SynclineError as error:
            self._go_on_after(error, connection)
            yield self._unreadable(target, error)
            return
        finally:
            self._reading = None
        cursor = self._cursor_of(table)
        if reached is not None:
            bookmarks.reach(name, reached)
        elif cursor is None or bookmarks.of(name) is None:
            bookmarks.finish(name, whole=cursor is None)
        yield Checkpoint(bookmarks.text())

    def _begins_anew(self, table: FoundTable, name: str, bookmarks: Bookmarks) -> bool:
        """Whether it was read as a whole until now, and has got a cursor: what is there is replaced once more.

        Appended, its rows could not be recognised without the cursor.
        """
        return self._cursor_of(table) is not None and bookmarks.was_whole(name)

    def _open(self, connection: Connection, table: FoundTable) -> Reading:
        key = self._common.key if {*self._common.key} <= {*table.columns} else ()
        selection = replace(
            self._common,
            table=table.name,
            schema=table.home,
            cursor_field=self._cursor_of(table),
            key=key or table.key,
        )
        was_set = self._job.bookmark_was_set
        return Reading(self._database, connection, selection, log=self._log, bookmark_was_set=was_set)

    def _cursor_of(self, table: FoundTable) -> str | None:
        cursor = self._common.cursor_field
        return cursor if cursor in table.columns else None

    def _unreadable(self, target: str, error: SynclineError) -> Unreadable:
        self._log("error", f"the attempt will fail once the other tables are loaded: {error}")
        return Unreadable(target, error)

    @contextmanager
    def _apart(self, connection: Connection) -> Iterator[None]:
        """An error inside leaves the snapshot as it is."""
        dialect = self._database.dialect
        savepoint: NestedTransaction | None = None
        if dialect.savepoints:
            with self._database.translate_errors("cannot set a savepoint"):
                savepoint = connection.begin_nested()
        try:
            yield
        except SynclineError:
            with suppress(SynclineError), self._database.translate_errors("cannot go on"):
                if savepoint:
                    savepoint.rollback()
                if dialect.begins_again:
                    connection.rollback()
                    dialect.begin(connection)
            raise
        if savepoint:
            with self._database.translate_errors("cannot release a savepoint"):
                savepoint.commit()

    def _go_on_after(self, error: SynclineError, connection: Connection) -> None:
        """Raises `error` if the connection is lost: then no other table can be read either."""
        try:
            with self._database.translate_errors("cannot go on"):
                connection.execute(select(literal(1)))
        except SynclineError:
            raise error from None
