"""A DuckDB file as a destination: rows wait in a file of the attempt, the target is open only to look and to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.destinations.duckdb.bookmarks import Bookmark
from app.connectors.destinations.duckdb.file import TargetFile, explained
from app.connectors.destinations.duckdb.stage import Stage
from app.connectors.destinations.duckdb.target import make_room
from app.connectors.destinations.layout import widened

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.options import DuckdbDestinationOptions
    from app.connectors.passes import Fence, Log, Position
    from app.connectors.schema import Table


class DuckdbDestination:
    def __init__(self, options: DuckdbDestinationOptions, fence: Fence, *, name: str, work_dir: Path, log: Log) -> None:
        self._schema = options.schema_
        self._fence = fence
        self._stages: dict[str, Stage] = {}
        self._file = TargetFile(options.path, name=name, work_dir=work_dir, log=log)
        self._bookmark = Bookmark(self._file.connection, schema=self._schema, fence=fence)

    def open(self) -> Position:
        with explained("cannot prepare the table of bookmarks"), self._file.transaction():
            self._bookmark.make_table()
            return self._bookmark.claim()

    def begin(self, table: Table) -> None:
        with explained(f"cannot prepare table {table.name!r}"):
            with self._file.transaction():
                self._bookmark.verify()
                target = make_room(self._file.connection, schema=self._schema, table=table)
            if table.name in self._stages:
                self._stages[table.name].widen(target)
            else:
                number = len(self._stages)
                connection, task_id = self._file.connection, self._fence.task_id
                self._stages[table.name] = Stage(connection, target, number=number, task_id=task_id)

    def write(self, table: str, records: list[dict[str, Any]]) -> None:
        stage = self._stages[table]
        if wider := widened(stage.target.table, records):
            self.begin(wider)
        with explained(f"cannot stage rows of table {table!r}"):
            stage.add(records)

    def commit(self, bookmark: str | None, *, final: bool) -> int:
        moving = [stage for stage in self._stages.values() if final or not stage.target.table.comes_at_once]
        with explained("cannot commit"), self._file.transaction():
            self._bookmark.verify()
            rows = sum([stage.move() for stage in moving])
            self._bookmark.move(bookmark, final=final)
        return rows

    def close(self) -> None:
        self._file.close()
