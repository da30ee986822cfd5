"""A destination of files, as a reader sees it."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pathlib import Path


class Lake:
    """A destination of files, as a reader sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.options = {"type": "parquet", "path": str(path)}

    @property
    def manifest(self) -> Any:
        return json.loads(next(self.path.glob("_syncline/*/*/latest.json")).read_text())

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*.parquet*")}

    def rows(self, table: str = "t") -> Counter[tuple[Any, ...]]:
        names = [file["name"] for file in self.manifest["tables"][table]["files"]]
        read = [pq.ParquetFile(self.path / name).read().to_pylist() for name in names]
        return Counter((row["id"], row["at"], row["v"]) for row in itertools.chain(*read))

    def select(self, columns: str, *, table: str) -> list[tuple[Any, ...]]:
        """By DuckDB, in the order of the first column."""
        files = [str(self.path / file["name"]) for file in self.manifest["tables"][table]["files"]]
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            query = f"SELECT {columns} FROM read_parquet($1, union_by_name = true) ORDER BY 1"
            return connection.execute(query, [files]).fetchall()
