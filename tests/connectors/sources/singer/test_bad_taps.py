"""Taps that do everything wrong, under a real worker: each ends with a clear word, in bounded memory, leaving nothing.

`BAD_TAPS_FLOOD_MB=1024` lets the flood be one of a gigabyte.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml

from tests.acceptance.cluster import Cluster
from tests.connectors.attempts import CATALOG, Postgres
from tests.harness import Store, opened_store
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from uuid import UUID

FLOOD_MEGABYTES = int(os.environ.get("BAD_TAPS_FLOOD_MB", "48"))
# Measured: 88 and 205, of which 88 before the tap starts; the worker had up to 108 on a busy machine.
MOST_MEGABYTES_OF_WORKER, MOST_MEGABYTES_OF_ATTEMPT = 130, 240
_LOOKS_BETWEEN_CHILDREN = 10

# Everything begins well: two rows and a bookmark, of which nobody may ever see anything where it goes on badly.
TAP = r"""
import json, os, signal, subprocess, sys, time
how, directory = sys.argv[1], os.path.dirname(__file__)

def say(**message):
    print(json.dumps(message), flush=True)

def record(**fields):
    say(type="RECORD", stream="made", record=fields)

def schema(**properties):
    say(type="SCHEMA", stream="made", key_properties=[], schema={"properties": properties})

def sleeper():
    sleeping = "import time; time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", sleeping, directory], start_new_session=True, stdout=sys.stderr)
    open(os.path.join(directory, how), "w").write(str(child.pid))

if how == "text":
    print("what is this?\n" * 100)
    sys.exit()
if how == "early":
    record(id=1)
schema(id={"type": "integer"}, text={"type": "string"})
record(id=1, text="one")
record(id=2, text="two")
say(type="STATE", value={"at": 2})
sys.stdout.flush()
if how == "noise":
    sys.stdout.buffer.write(bytes(range(256)) * 4096)
elif how == "broken":
    print('{"type": "RECORD", "stream": "made", "record": {"id": 3, "text": "thr')
elif how == "glued":
    print("5% done", end=" ")
    record(id=3, text="three")
    say(type="STATE", value={"at": 3})
elif how == "marked":
    sys.stdout.buffer.write(b"\xef\xbb\xbf")
    record(id=3, text="three")
    say(type="STATE", value={"at": 3})
elif how == "unreadable":
    sys.stdout.buffer.write(b'{"type": "STATE", "value": "\xff"}')
elif how == "dies":
    os.write(1, b'{"type": "RECORD", "stream": "made", "record": {"id": 3')
    sys.exit("the disk is full")
elif how == "killed":
    os.write(1, b'{"type": "RECORD", "stream": "made", "record": {"id": 3')
    os.kill(os.getpid(), signal.SIGKILL)
elif how == "hangs":
    sleeper()
    time.sleep(600)
elif how == "floods":
    line = b"z" * 1023 + b"\n"
    for _ in range(int(sys.argv[2])):
        os.write(2, line * 1024)
    sys.exit("KeyError: this is why")
elif how == "forks":
    sleeper()
    sys.exit("gone")
elif how == "daemon":
    sleeper()
elif how == "wide_schema":
    schema(**{f"column_{number}": {"type": "integer"} for number in range(500_000)})
elif how == "wide_record":
    record(**{f"c{number}": 1 for number in range(1_000_000)})
elif how == "many_columns":
    schema(**{f"column_{number}": {"type": "integer"} for number in range(5000)})
elif how == "huge":
    record(id=3, text="x" * 100_000_000)
elif how == "large":
    message = {"type": "RECORD", "stream": "made", "record": {"id": 3, "text": "x" * 15_900_000 + "😀"}}
    print(json.dumps(message, ensure_ascii=False), flush=True)
    say(type="STATE", value={"at": 3})
"""
BEGINS = r"source 'bad', collection '{name}': "
# By collection: what the error says, and how many rows there are afterwards.
EXPECTED = {
    "text": (r"the tap wrote 101 lines, but none of them is a Singer message: line 1 is 'what is this\?'", 0),
    "early": (r"line 1 of the tap's output: a RECORD of stream 'made' comes before its SCHEMA", 0),
    "noise": (r"line 5 of the tap's output: neither a Singer message nor text", 0),
    "broken": (r"line 5 of the tap's output: not a Singer message: .*thr", 0),
    "glued": (
        r"line 5 of the tap's output: the tap wrote a message after text on the same line, where it would be lost",
        0,
    ),
    "marked": (None, 3),
    "unreadable": (r"line 5 of the tap's output: the tap sent a STATE that is not UTF-8", 0),
    "dies": (r"the tap ended with code 1 within line 5 of its output: the disk is full", 0),
    "killed": (r"the tap was ended by signal 9 within line 5 of its output", 0),
    "hangs": (r"timeout: the attempt took longer than 1s; \d+ records were read by then", 0),
    "floods": (r"the tap ended with code 1 after line 4 of its output: KeyError: this is why", 0),
    "forks": (r"the tap ended with code 1 after line 4 of its output: gone", 0),
    "daemon": (None, 2),
    "wide_schema": (r"line 5 of the tap's output is a message longer than 16 MiB", 0),
    "wide_record": (r"line 5 of the tap's output: the tap sent a message with more than 250,000 values", 0),
    "many_columns": (r"destination 'warehouse': cannot prepare table 'many_columns': tables can have at most 1600", 0),
    "huge": (r"line 5 of the tap's output is a message longer than 16 MiB", 0),
    "large": (None, 3),
}


class Memory(threading.Thread):
    """Watches how much memory a worker and its attempts have taken at most, each by itself."""

    def __init__(self, worker: int) -> None:
        super().__init__(daemon=True)
        self._worker = worker
        self._peaks: dict[int, int] = {}
        self._over = threading.Event()

    def run(self) -> None:
        children: list[int] = []
        for look in itertools.count():
            if self._over.wait(0.01):
                return
            # Rarer than the rest: psutil looks at every process of the machine.
            if look % _LOOKS_BETWEEN_CHILDREN == 0:
                with suppress(psutil.Error):
                    servers = psutil.Process(self._worker).children()
                    children = [child.pid for server in servers for child in server.children()]
            for pid in (self._worker, *children):
                with suppress(OSError):
                    self._peaks[pid] = max(self._peaks.get(pid, 0), peak(pid))

    def attempt_since(self, known: set[int]) -> float:
        """Of the attempts that were not `known`, the largest, in MB."""
        return max([0, *(size for pid, size in self._peaks.items() if pid not in known)]) / 1e6

    @property
    def known(self) -> set[int]:
        return set(self._peaks)

    def stop(self) -> None:
        self._over.set()
        self.join()


def peak(pid: int) -> int:
    """Bytes of memory that a process had at most (VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


@pytest.mark.long
@pytest.mark.timeout(600 if FLOOD_MEGABYTES > 100 else 180)
async def test_whatever_a_tap_does_its_end_is_clear_and_nothing_is_left(
    database_url: str, postgres: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "tap.py").write_text(TAP)
    seen: dict[str, Any] = {}
    with Cluster(tmp_path, catalogue(tmp_path, postgres), database_url) as cluster:
        worker = cluster.worker()
        memory = Memory(worker.pid)
        memory.start()
        async with opened_store(database_url) as store:
            for name in EXPECTED:
                known = memory.known
                task = await store.schedule(name, source=f"bad_{name}", source_type="singer", max_attempts=1)
                status = await store.ended(task, seconds=500 if name == "floods" else 60)
                error = (await store.folded(task)).error
                seen[name] = (status, error, visible(postgres, name), memory.attempt_since(known))
                if name == "floods":
                    await check_flood(store, task)
                assert left_behind(tmp_path) == [], f"{name} left processes behind"
        memory.stop()
        worker_megabytes = peak(worker.pid) / 1e6
        assert worker.stop() == 0
    assert seen["floods"][3] > 0
    for name, (says, rows) in EXPECTED.items():
        status, error, found, megabytes = seen[name]
        print(f"{name}: {status}, worker {worker_megabytes:.0f} + attempt {megabytes:.0f} MB, {error}")  # noqa: T201
        if says is None:
            assert (status, error) == ("SUCCESS", None), name
        else:
            place = "" if says.startswith("destination") else BEGINS.format(name=name).replace("bad", f"bad_{name}")
            assert re.match(place + says, error or ""), (name, error)
        assert found == rows, name
        # 0 if it was over before anybody looked.
        assert megabytes < MOST_MEGABYTES_OF_ATTEMPT, (name, megabytes)
    assert worker_megabytes < MOST_MEGABYTES_OF_WORKER


def catalogue(directory: Path, postgres: Postgres) -> str:
    """A source for each, for the command says which it is."""
    sources = {
        f"bad_{name}": {
            "type": "singer",
            "destinations": ["warehouse"],
            "collections": [{"name": name, "type": "made", "table_name": name, "sync_mode": "incremental"}],
            "timeout": "1s" if name == "hangs" else "10m",
            "config": {
                "command": [sys.executable, str(directory / "tap.py"), name, str(FLOOD_MEGABYTES)],
                "catalog": CATALOG,
            },
        }
        for name in EXPECTED
    }
    document = {
        "server": {"admin_token": "x", "sync_tasks": {"pool": {"size": 1}}},
        "sources": sources,
        "destinations": {"warehouse": postgres.options()},
    }
    return yaml.safe_dump(document)


def visible(postgres: Postgres, table: str) -> int:
    if postgres.execute(f"SELECT to_regclass('loaded.{table}')") == [(None,)]:
        return 0
    return int(postgres.execute(f"SELECT count(*) FROM loaded.{table}")[0][0])


async def check_flood(store: Store, task: UUID) -> None:
    """Much of it is kept, its end above all, and how much is missing is told."""
    messages = await store.messages(task)
    kept = sum(len(message) for message in messages)
    assert 30 << 20 < kept < 36 << 20
    told = [re.fullmatch(r"\[(\d+) lines with \d+ bytes were dropped here: .*\]", message) for message in messages]
    missing = sum(int(found[1]) for found in told if found)
    floods = sum(message.startswith("zzz") for message in messages)
    # Other lines of the attempt may be among those that are missing.
    assert 0 <= floods + missing - FLOOD_MEGABYTES * 1024 < 10
    assert "KeyError: this is why" in messages


def left_behind(directory: Path) -> list[int]:
    """Processes that have the tap's directory in their command."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.pid != os.getpid()
        and any(str(directory) in word for word in process.info["cmdline"] or ())
        and is_alive(process.pid)
    ]
