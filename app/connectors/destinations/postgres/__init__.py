"""PostgreSQL as a destination: rows wait in temporary tables and arrive in one transaction with their bookmark."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.connectors.destinations.layout import quoted, widened
from app.connectors.destinations.postgres.bookmarks import Bookmark, application_name
from app.connectors.destinations.postgres.connection import connect, explained
from app.connectors.destinations.postgres.stage import Stage
from app.connectors.destinations.postgres.target import make_room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.destinations.layout import Target
    from app.connectors.options import PostgresDestinationOptions
    from app.connectors.passes import Fence, Position
    from app.connectors.schema import Table


class PostgresDestination:
    def __init__(self, options: PostgresDestinationOptions, fence: Fence) -> None:
        self._schema = options.schema_
        self._fence = fence
        self._stages: dict[str, Stage] = {}
        name = application_name(fence.task, fence.attempt)
        self._connection = connect(options, application_name=name)
        self._bookmark = Bookmark(self._connection, schema=self._schema, fence=fence)

    def open(self) -> Position:
        with explained("cannot prepare the table of bookmarks"):
            with self._changing_schema():
                self._make_schema()
                self._bookmark.make_table()
            return self._bookmark.claim()

    def begin(self, table: Table) -> None:
        with explained(f"cannot prepare table {table.name!r}"):
            with self._changing_schema():
                self._bookmark.hold()
                target = make_room(self._connection, schema=self._schema, table=table)
            self._stage(target)

    def write(self, table: str, records: list[dict[str, Any]]) -> None:
        stage = self._stages[table]
        if wider := widened(stage.target.table, records):
            self.begin(wider)
        with explained(f"cannot stage rows of table {table!r}"):
            stage.add(records)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        with explained("cannot commit"), self._connection.transaction():
            self._bookmark.hold()
            rows = sum(
                [stage.move() for stage in self._stages.values() if final or not stage.target.table.comes_at_once]
            )
            self._bookmark.move(bookmark, final=final)
        return rows

    def close(self) -> None:
        self._connection.close()

    def _stage(self, target: Target) -> None:
        name = target.table.name
        if name in self._stages:
            self._stages[name].widen(target)
        else:
            stage_name = f"syncline_stage_{len(self._stages)}"
            self._stages[name] = Stage(self._connection, target, name=stage_name, task_id=self._fence.task_id)

    @contextmanager
    def _changing_schema(self) -> Iterator[None]:
        """A transaction in which nobody else makes or widens tables here: concurrent DDL fails instead of waiting."""
        with self._connection.transaction():
            self._connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [f"syncline:{self._schema}"]
            )
            yield

    def _make_schema(self) -> None:
        row = self._connection.execute("SELECT to_regnamespace($1) IS NULL", [quoted(self._schema)]).fetchone()
        if row and row[0]:
            self._connection.execute(f"CREATE SCHEMA {quoted(self._schema)}".encode())
