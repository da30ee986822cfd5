"""A DuckDB file as a destination: rows wait in a file of the attempt, the target is open only to look and to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.destinations.duckdb.bookmarks import DuckdbBookmark
from app.connectors.destinations.duckdb.file import TargetFile, explained
from app.connectors.destinations.duckdb.stage import DuckdbStage
from app.connectors.destinations.duckdb.tables import DuckdbTables
from app.connectors.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.contract.passes import Fence, Log
    from app.connectors.destinations.duckdb.options import DuckdbDestinationOptions
    from app.connectors.warehouse.layout import Target


class DuckdbDestination(Warehouse):
    """Whoever has the file open for writing is alone, so nothing here needs a lock of its own."""

    def __init__(self, options: DuckdbDestinationOptions, fence: Fence, *, name: str, work_dir: Path, log: Log) -> None:
        self._fence = fence
        self._file = TargetFile(options.path, name=name, work_dir=work_dir, log=log)
        super().__init__(
            tables=DuckdbTables(self._file, schema=options.schema_),
            bookmark=DuckdbBookmark(self._file, schema=options.schema_, fence=fence),
            log=log,
        )

    def close(self) -> None:
        self._file.close()

    def _transaction(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def _changing_schema(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def _explained(self, doing: str) -> AbstractContextManager[None]:
        return explained(doing)

    def _stage(self, target: Target, *, number: int) -> DuckdbStage:
        return DuckdbStage(self._file, target, number=number, task_id=self._fence.task_id)
