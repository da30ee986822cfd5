"""Databases to read from, each with the means to write to it, and attempts that read them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import duckdb

from tests.connectors.attempts import Trial

if TYPE_CHECKING:
    from pathlib import Path


class Origin(Protocol):
    """A database that is a source."""

    @property
    def url(self) -> str: ...

    def execute(self, statement: str) -> Any: ...


@dataclass(frozen=True)
class SqliteOrigin:
    path: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement).fetchall()


@dataclass(frozen=True)
class DuckdbOrigin:
    path: Path

    @property
    def url(self) -> str:
        return f"duckdb:///{self.path}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(statement).fetchall()


class Copying(Trial):
    """A collection of an origin on its way to destinations."""

    def __init__(
        self, url: str, directory: Path, destinations: dict[str, dict[str, Any]], *, mode: str = "sync", **config: Any
    ) -> None:
        super().__init__(directory, destinations, "sql", {"url": url} | config, source="origin", mode=mode)
