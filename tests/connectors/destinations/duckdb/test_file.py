"""A DuckDB file, which only one process at a time may open."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from duckdb import connect

from app.domain.attempt_protocol import LogLine
from tests.connectors.attempts import Duckdb, Scene, Told

if TYPE_CHECKING:
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
