"""A DuckDB file as a destination: rows wait in the attempt's own database; the file is open only to look and commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.destinations.duckdb.file import TARGET, TargetFile, translate_errors
from app.connectors.destinations.duckdb.stage import DuckdbStage
from app.connectors.destinations.duckdb.tables import DuckdbTables, existing_columns
from app.connectors.warehouse.bookmarks import BOOKMARK_TABLE, Bookmark
from app.connectors.warehouse.layout import quoted
from app.connectors.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.contract.passes import Fence, Log
    from app.connectors.destinations.duckdb.options import DuckdbDestinationOptions
    from app.connectors.warehouse.layout import Target


class DuckdbDestination(Warehouse):
    """Needs no locks: only one process can have the file open for writing."""

    changes_in_commits = True

    def __init__(self, options: DuckdbDestinationOptions, fence: Fence, *, name: str, work_dir: Path, log: Log) -> None:
        self._fence = fence
        self._file = TargetFile(options.path, name=name, work_dir=work_dir, log=log)
        super().__init__(
            tables=DuckdbTables(self._file, schema=options.schema_, naming=options.naming),
            bookmark=DuckdbBookmark(self._file, schema=options.schema_, fence=fence),
            log=log,
        )

    # Opening a file that is missing would make it.
    def count_rows(self, table: str) -> int | None:
        return super().count_rows(table) if self._file.exists() else None

    def own_tables(self) -> dict[str, bool]:
        return super().own_tables() if self._file.exists() else {}

    def close(self) -> None:
        self._file.close()

    def _transaction(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def _changing_schema(self) -> AbstractContextManager[None]:
        return self._file.transaction()

    def _translate_errors(self, doing: str) -> AbstractContextManager[None]:
        return translate_errors(doing)

    def _stage(self, target: Target, *, number: int) -> DuckdbStage:
        return DuckdbStage(self._file, target, number=number, task_id=self._fence.task_id)


class DuckdbBookmark(Bookmark):
    """Needs no locks either."""

    def __init__(self, file: TargetFile, *, schema: str, fence: Fence) -> None:
        self._schema = schema
        super().__init__(file, table=quoted(TARGET, schema, BOOKMARK_TABLE), fence=fence, kind="VARCHAR")

    def _columns(self) -> set[str]:
        return {name for name, _ in existing_columns(self._session, self._schema, BOOKMARK_TABLE)}
