"""Databases to read from, each with the means to write to it, and attempts that read them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import pytest

from app.domain.attempt_protocol import Failed, Finished
from app.failpoints import VARIABLE
from tests.integration.connectors.attempts import Attempt, Told

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


@dataclass
class Copying:
    """A collection of an origin on its way to destinations; each `run` is an attempt of a new task unless told so."""

    url: str
    directory: Path
    destinations: dict[str, dict[str, Any]]
    collection: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    mode: str = "sync"
    tasks: int = 0

    def start(self, *, again: int = 0, **parameters: Any) -> Attempt:
        self.tasks += not again
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        collection = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
        return Attempt(
            {
                "task": task,
                "task_id": f"origin_made_{task}",
                "attempt": 1 + again,
                "source": "origin",
                "source_type": "sql",
                "source_config": {"url": self.url} | self.options,
                "collection": collection | self.collection | {"parameters": parameters},
                "destinations": self.destinations,
                "generation": 0,
                "data_dir": str(self.directory / "state"),
                "mode": self.mode,
            }
        )

    def run(self, *, again: int = 0, **parameters: Any) -> Told:
        return told_by(self.start(again=again, **parameters))

    def die(self, at: str, *, again: int = 0, **parameters: Any) -> Told:
        """An attempt that is killed at a fail point."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv(VARIABLE, f"{at}=kill")
            told = self.run(again=again, **parameters)
        assert not any(isinstance(message, Finished | Failed) for message in told.messages)
        return told


def told_by(attempt: Attempt) -> Told:
    told = Told(list(attempt.messages()))
    attempt.close()
    return told
