"""What does not fit into memory goes to disk: a DuckDB file takes any load, and an attempt little memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb as duckdb_library
import msgspec
import pytest

from app.connectors.destinations.duckdb.file import translate_errors
from app.domain.attempt_protocol import EVENTS_FD_VARIABLE, AttemptMessage, Committed, Finished
from app.domain.errors import ConfigurationError
from tests.connectors.attempts import Duckdb, Scene, complete, record, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

# It takes 207 to 211 MB, and took 219 once beside other tests; without DuckDB's limit it was half a gigabyte.
MOST_MEGABYTES = 230
FUNCTION = """
from syncline import Schema

@Schema(columns={"id": int, "turn": int, "text": str}, key="id", mode="incremental")
def rows(context):
    for number in range(60_000):
        yield {"id": number, "turn": context.parameters["turn"], "text": f"{number / 7} " * 50}
"""


def test_sixty_megabytes_arrive_and_change_in_little_memory(tmp_path: Path, duckdb: Duckdb) -> None:
    (tmp_path / "many.py").write_text(FUNCTION)
    for turn in (1, 2):
        with attempt_of_its_own(
            {
                "task": f"0192f7c2-0000-7000-8000-{turn:012}",
                "task_id": f"source_rows_{turn}",
                "attempt": 1,
                "source": "source",
                "source_type": "python",
                "source_config": {"function": "many", "path": [str(tmp_path)]},
                "collection": {
                    "name": "rows",
                    "type": "rows",
                    "table_name": "rows",
                    "start_date": "2020-01-01",
                    "parameters": {"turn": turn},
                },
                "destinations": {"warehouse": duckdb.options()},
                "generation": 0,
                "data_dir": str(tmp_path / "state"),
            }
        ) as (pid, messages):
            megabytes, last = 0.0, None
            for message in messages:
                last = message
                if isinstance(message, Committed):
                    megabytes = peak(pid)
        assert isinstance(last, Finished), last
        assert last.rows_written == 60_000
        print(f"turn {turn}: {megabytes:.0f} MB")  # noqa: T201
        assert 0 < megabytes < MOST_MEGABYTES
    found = duckdb.execute("SELECT count(*), count(DISTINCT id), min(turn), max(turn) FROM loaded.rows")
    assert found == [(60_000, 60_000, 2, 2)]


@contextmanager
def attempt_of_its_own(job: dict[str, Any]) -> Iterator[tuple[int, Iterator[AttemptMessage]]]:
    """Started as by a worker: one that is forked has in its memory what the others need."""
    receiving, sending = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.attempt"],
        stdin=subprocess.PIPE,
        pass_fds=[sending],
        env=os.environ | {EVENTS_FD_VARIABLE: str(sending)},
        start_new_session=True,
    )
    os.close(sending)
    with process, os.fdopen(receiving, "rb") as events:
        assert process.stdin
        with process.stdin as stdin:
            stdin.write(json.dumps(complete(job)).encode())
        yield process.pid, map(msgspec.json.Decoder(AttemptMessage).decode, events)


def peak(pid: int) -> float:
    """The most memory that a process had (VmHWM), in MB."""
    found: Any = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 / 1e6


def test_columns_that_the_source_does_not_have_keep_their_values(tmp_path: Path, duckdb: Duckdb) -> None:
    scene = Scene(tmp_path, {"warehouse": duckdb.options()})
    announced = schema(["id"], id="integer", text="string")
    scene.load(announced, record(id=1, text="a"), record(id=2, text="b"), record(id=3, text="c"))
    duckdb.execute("ALTER TABLE loaded.made ADD COLUMN note VARCHAR; UPDATE loaded.made SET note = 'mine ' || id")
    told = scene.load(announced, record(id=1, text="a"), record(id=2, text="changed"), record(id=4, text="new"))
    assert told.finished.rows_written == 2
    rows = duckdb.execute("SELECT id, text, note FROM loaded.made ORDER BY id")
    assert rows == [(1, "a", "mine 1"), (2, "changed", "mine 2"), (3, "c", "mine 3"), (4, "new", None)]


def test_a_key_of_the_users_own_does_not_stand_in_the_way(tmp_path: Path, duckdb: Duckdb) -> None:
    duckdb.execute("CREATE SCHEMA loaded; CREATE TABLE loaded.made (id BIGINT PRIMARY KEY, text VARCHAR UNIQUE)")
    scene = Scene(tmp_path, {"warehouse": duckdb.options()})
    announced = schema(["id"], id="integer", text="string")
    scene.load(announced, record(id=1, text="a"), record(id=2, text="b"))
    assert scene.load(announced, record(id=1, text="c"), record(id=2, text="b")).finished.rows_written == 1
    assert duckdb.execute("SELECT id, text FROM loaded.made ORDER BY id") == [(1, "c"), (2, "b")]


def test_very_wide_tables_and_very_long_values_get_the_memory_they_need(tmp_path: Path, duckdb: Duckdb) -> None:
    scene = Scene(tmp_path, {"warehouse": duckdb.options()})
    wide = {f"column_{number}": number for number in range(400)}
    scene.load(schema(["id"], id="integer", **dict.fromkeys(wide, "integer")), record(id=1, **wide))
    assert scene.load(schema(["id"], id="integer", text="string"), record(id=2, text="x" * 12_000_000)).finished
    assert duckdb.execute("SELECT count(*), max(length(text)), max(column_399) FROM loaded.made") == [
        (2, 12_000_000, 399)
    ]


def test_more_memory_than_there_is_is_told_and_not_asked_for_again() -> None:
    with duckdb_library.connect(config={"memory_limit": "8MB", "max_temp_directory_size": "0KB"}) as connection:
        needs = "SELECT string_agg(repeat('x', 1000)) FROM range(100000)"
        told = pytest.raises(ConfigurationError, match="cannot commit: DuckDB needs more memory than an attempt")
        with told, translate_errors("cannot commit"):
            connection.execute(needs)
