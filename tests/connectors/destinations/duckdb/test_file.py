"""A DuckDB file, which only one process at a time may open."""

from __future__ import annotations

import os
import resource
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from duckdb import connect

from app.connectors.destinations.duckdb.file import TARGET, TargetFile, translate_errors
from app.domain.attempt_protocol import LogLine
from app.domain.errors import SynclineError
from tests.connectors.attempts import Duckdb, Scene, Told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_duckdb_file_in_use_is_waited_for_and_named(tmp_path: Path, duckdb: Duckdb) -> None:
    scene = Scene(tmp_path, {"warehouse": duckdb.options()})
    attempt = scene.start(stop_at=13)
    attempt.stands_still()
    messages = attempt.messages()
    with connect(str(duckdb.path)):
        scene.fifo.open("w").close()
        # On a busy machine it also tells how far it is.
        waiting = next(message.message for message in messages if isinstance(message, LogLine))
    told = Told(list(messages))
    attempt.close()
    assert f"waiting for {duckdb.path}" in waiting
    assert str(os.getpid()) in waiting
    assert told.finished.rows_written == 20


@contextmanager
def full_disk() -> Iterator[None]:
    """As far as files of this process are concerned, for any user and on any file system."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE TABLE {TARGET}.other AS SELECT range AS id FROM range(1000)",
        f"INSERT INTO {TARGET}.made SELECT range FROM range(1000)",
        f"INSERT INTO {TARGET}.made SELECT range FROM range(400000)",
    ],
)
def test_a_full_disk_is_named_and_the_rows_stay(tmp_path: Path, statement: str) -> None:
    def open_file() -> TargetFile:
        return TargetFile(str(tmp_path / "file.duckdb"), name="file", work_dir=tmp_path, log=lambda *_: None)

    with closing(open_file()) as file, file.transaction():
        file.run(f"CREATE TABLE {TARGET}.made AS SELECT 1 AS id")
    with closing(open_file()) as file:
        with (
            full_disk(),
            pytest.raises(SynclineError, match=r"^cannot commit: .*Could not write file .*: File too large"),
            translate_errors("cannot commit"),
            file.transaction(),
        ):
            file.run(statement)
        with file.transaction():
            assert file.rows(f"SELECT * FROM {TARGET}.made") == [(1,)]
