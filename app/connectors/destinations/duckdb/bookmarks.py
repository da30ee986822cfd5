"""DuckDB's table of bookmarks: whoever has the file open for writing is alone, so it needs no locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.destinations.duckdb.file import TARGET
from app.connectors.destinations.duckdb.tables import existing_columns
from app.connectors.warehouse.bookmarks import BOOKMARK_TABLE, Bookmark
from app.connectors.warehouse.layout import quoted

if TYPE_CHECKING:
    from app.connectors.contract.passes import Fence
    from app.connectors.destinations.duckdb.file import TargetFile


class DuckdbBookmark(Bookmark):
    def __init__(self, file: TargetFile, *, schema: str, fence: Fence) -> None:
        self._schema = schema
        super().__init__(file, table=quoted(TARGET, schema, BOOKMARK_TABLE), fence=fence, kind="VARCHAR")

    def _columns(self) -> set[str]:
        return {name for name, _ in existing_columns(self._session, self._schema, BOOKMARK_TABLE)}
