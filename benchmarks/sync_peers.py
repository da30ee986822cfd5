"""Small syncs by other tools: ten records into a table of PostgreSQL, each sync a program of its own.

As many programs run at once as the machine has cores. Each has its own schema and keeps what it remembers between runs.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Protocol

import psycopg
import yaml
from psycopg.sql import SQL, Identifier

from benchmarks.attempt import ran
from benchmarks.loading import record
from benchmarks.singer_peers import (
    DLT,
    MELTANO,
    PEERS,
    TARGET,
    TARGET_AT_ITS_FASTEST,
    Package,
    meltano_project,
    postgres_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RECORDS: Final = 10
AT_ONCE: Final = os.cpu_count() or 1
_PROGRAM: Final = str(PEERS / "dlt_records.py")


class SyncPeer(Protocol):
    """A tool that can carry out one of many small syncs; `packages` are what it needs."""

    name: str
    packages: tuple[Package, ...]

    def command(self, url: str, directory: Path, number: int) -> list[str]:
        """The program for the sync with this number, whose files lie in `directory`."""

    def schema(self, number: int) -> str:
        """That of the table `made` which it loads."""


class Dlt:
    """A program with dlt: a list of dictionaries into a table that is replaced."""

    name = "dlt"
    packages: tuple[Package, ...] = (DLT,)

    def command(self, url: str, directory: Path, number: int) -> list[str]:
        return [DLT.command("python"), _PROGRAM, url, str(directory), self.schema(number), str(RECORDS)]

    def schema(self, number: int) -> str:
        # Two that make the tables of one schema at the same time fail.
        return f"dlt_{number}"


class Meltano:
    """`meltano run` with a tap that prints recorded messages, which is the fastest one there can be."""

    name = "meltano run"
    packages: tuple[Package, ...] = (MELTANO, TARGET)

    def command(self, url: str, directory: Path, number: int) -> list[str]:
        if not (directory / "meltano.yml").exists():
            self._make_project(url, directory, number)
        return [MELTANO.command("meltano"), "--cwd", str(directory), "run", "tap-made", "target-postgres"]

    def schema(self, number: int) -> str:
        return f"meltano_{number}"

    def _make_project(self, url: str, directory: Path, number: int) -> None:
        messages = record(directory / "messages.jsonl", RECORDS, price=1, key=["id"])
        tap = directory / "tap-made"
        tap.write_text(f"#!/bin/sh\nexec cat '{messages}'\n")
        tap.chmod(0o755)
        settings = {**postgres_settings(url), "default_target_schema": self.schema(number), **TARGET_AT_ITS_FASTEST}
        extractor = {"name": tap.name, "namespace": "tap_made", "executable": str(tap), "capabilities": []}
        (directory / "meltano.yml").write_text(yaml.safe_dump(meltano_project(extractor, settings)))


PEERS_IN_TURN: Final[tuple[SyncPeer, ...]] = (Dlt(), Meltano())


def missing(peer: SyncPeer) -> str | None:
    """Why it cannot run here; None if it can."""
    return next((why for package in peer.packages if (why := package.missing())), None)


def syncs_a_second(peer: SyncPeer, url: str, directory: Path, syncs: int) -> float:
    """Runs so many syncs. Raises RuntimeError if one fails or a table does not have its records afterwards."""
    homes = [directory / f"{peer.name.split()[0]}-{number}" for number in range(syncs)]
    for home in homes:
        home.mkdir(exist_ok=True)
    commands = [peer.command(url, home, number) for number, home in enumerate(homes)]
    environment = peer.packages[0].environment
    began = time.perf_counter()
    # A program ends with the thread that has started it, so the threads stay until all have ended.
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda command: ran(command, None, environment=environment), commands))
    rate = syncs / (time.perf_counter() - began)
    check_tables(url, [(peer.schema(number), "made") for number in range(syncs)])
    return rate


def check_tables(url: str, tables: Iterable[tuple[str, str]]) -> None:
    """Raises RuntimeError unless each table, schema and name, has the records of one sync."""
    with psycopg.connect(url) as connection:
        for table in tables:
            found = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(*table))).fetchone()
            if found != (RECORDS,):
                raise RuntimeError(f"{'.'.join(table)} has {found} records instead of {RECORDS}")
