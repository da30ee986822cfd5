"""`syncline events`, as people type it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest

from tests.interruptible import INTERRUPTIBLE
from tests.servers.durable import DurableServer
from tests.servers.postgres import migrate

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.harness import Store

COMMAND = [sys.executable, "-m", "app.cli", "events"]
SCHEDULED = """
INSERT INTO syncline.events (task, version, type, at, status, attempt, data)
VALUES (syncline.uuid7(syncline.clock(), NULL), 1, 'TaskScheduled', syncline.clock(), 'SCHEDULED', 0,
        '{{"source": "s", "collection": "{collection}"}}')
"""


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url, "DATABASE_DIRECT_URL": url}


def syncline(url: str, *arguments: str | bytes) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(url), capture_output=True, text=True, check=False, timeout=60
    )


async def ended_task(store: Store, collection: str) -> None:
    worker = await store.worker()
    claim = await store.claimed(worker, collection)
    await store.end(worker, claim)
    await store.readable()


async def test_a_line_says_when_what_and_of_which_collection(store: Store, database_url: str) -> None:
    await ended_task(store, "orders\x1b[2J")
    shown = syncline(database_url)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [line.split("  ") for line in shown.stdout.splitlines()]
    assert [line[1].strip() for line in lines] == ["task.scheduled", "task.started", "task.succeeded"]
    assert all("s/orders\\x1b[2J" in line for line in lines)
    assert "attempt 1" in lines[1]
    assert '"trigger": "api"' in lines[0][-1]


async def test_json_is_what_the_api_has(store: Store, database_url: str) -> None:
    for collection in ("a", "b"):
        await ended_task(store, collection)
    every = [json.loads(line) for line in syncline(database_url, "--json").stdout.splitlines()]
    assert len(every) == 6
    assert len({event["id"] for event in every}) == 6
    after = syncline(database_url, "--json", "--after", every[2]["id"], "--types", "task.succeeded,task.started")
    assert [json.loads(line) for line in after.stdout.splitlines()] == every[4:]
    of_one = syncline(database_url, "--json", "--source", "s", "--collection", "a")
    assert [json.loads(line) for line in of_one.stdout.splitlines()] == every[:3]


@asynccontextmanager
async def following(url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, StreamReader, StreamReader]]:
    """`syncline events -f` that has begun, with what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INTERRUPTIBLE, "events", "-f"),
        env=environment(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            assert await process.stderr.readline() == b"Following; Ctrl-C ends it.\n"
            yield process, process.stdout, process.stderr
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_it_follows_from_now_until_ctrl_c(store: Store, database_url: str) -> None:
    await ended_task(store, "before")
    async with following(database_url) as (process, shown, _):
        await ended_task(store, "after")
        lines = [await shown.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest = await process.communicate()
    assert all(b"s/after" in line for line in lines)
    assert rest == (b"", b"")
    assert process.returncode == 0


async def test_it_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    with closing(DurableServer(tmp_path / "pg")) as server:
        migrate(server.url)
        async with following(server.url) as (process, shown, said):
            for name in ("before", "between", "after"):
                with server.connect() as connection:
                    connection.execute(SCHEDULED.format(collection=name).encode())
                assert f"s/{name}".encode() in await shown.readline()
                server.stop(signal.SIGQUIT)
                assert (await said.readline()).endswith(b"; trying again\n")
                server.start()
            process.send_signal(signal.SIGINT)
            assert await process.communicate() == (b"", b"")
            assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--types", "task.failled"), "did you mean 'task.failed'? choose one of task.scheduled"),
        (("--after", "yesterday"), "'yesterday' is neither the id of an event nor a position"),
        (("--source", b"\xff"), "is not valid UTF-8"),
    ],
)
def test_a_mistake_is_told(database_url: str, arguments: tuple[str | bytes, ...], told: str) -> None:
    refused = syncline(database_url, *arguments)
    assert refused.returncode == 2
    assert told in " ".join(refused.stderr.split())


async def test_events_that_are_gone_are_told(store: Store, database_url: str) -> None:
    await ended_task(store, "a")
    await store.admin.execute("UPDATE syncline.retention SET gone_upto = (SELECT max(xid) FROM syncline.events)")
    refused = syncline(database_url, "--after", "3")
    assert refused.returncode == 1
    assert refused.stderr.startswith("syncline: events after 3 were removed by retention; read from ")
    assert syncline(database_url).stdout == ""
