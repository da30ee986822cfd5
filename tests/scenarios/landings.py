"""Destinations of every kind, and what a reader finds in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import psycopg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Warehouse
    from tests.connectors.destinations.parquet.lake import Lake


class Landing(Protocol):
    """`kind` is its name in the table of what works."""

    @property
    def kind(self) -> str: ...

    def options(self) -> dict[str, Any]:
        """As the catalogue has them."""

    def rows(self, *, ended: bool = True) -> list[tuple[int, str]]:
        """Id and text of everything that a reader sees, in order; none where there is no table yet.

        Of a history that are all versions, or those that have not ended.
        """


@dataclass(frozen=True)
class WarehouseLanding:
    """The table `made` of a warehouse; `text` is the column that tells one version of a row from another."""

    kind: str
    warehouse: Warehouse
    text: str = "text"

    def options(self) -> dict[str, Any]:
        return self.warehouse.options()

    def rows(self, *, ended: bool = True) -> list[tuple[int, str]]:
        counting = "" if ended else "WHERE _syncline_valid_to IS NULL"
        try:
            found = self.warehouse.execute(f"SELECT id, {self.text} FROM loaded.made {counting} ORDER BY 1, 2")
        except (psycopg.errors.UndefinedTable, duckdb.CatalogException):
            return []
        return [(int(id_), str(text)) for id_, text in found]


@dataclass(frozen=True)
class DltDuckdbLanding(WarehouseLanding):
    """A DuckDB file that dlt writes."""

    def options(self) -> dict[str, Any]:
        given = super().options()
        return {"type": "dlt:duckdb", "dataset": given["schema"], "credentials": given["path"]}


@dataclass(frozen=True)
class DltFilesLanding:
    """Parquet files that dlt writes."""

    bucket: Path
    kind: str = "dlt:filesystem"

    def options(self) -> dict[str, Any]:
        return {"type": "dlt:filesystem", "dataset": "loaded", "bucket_url": str(self.bucket)}

    def rows(self, *, ended: bool = True) -> list[tuple[int, str]]:
        assert ended, "files have no history"
        files = [str(path) for path in (self.bucket / "loaded" / "made").glob("*.parquet")]
        if not files:
            return []
        with duckdb.connect() as connection:
            return connection.execute("SELECT id, text FROM read_parquet($1) ORDER BY 1, 2", [files]).fetchall()


@dataclass(frozen=True)
class LakeLanding:
    """The files that the manifest of the collection names."""

    lake: Lake
    kind: str = "parquet"

    def options(self) -> dict[str, Any]:
        return self.lake.options

    def rows(self, *, ended: bool = True) -> list[tuple[int, str]]:
        assert ended, "files have no history"
        try:
            found = self.lake.select("id, text", table="made")
        except StopIteration:  # no manifest
            return []
        return sorted(found)
