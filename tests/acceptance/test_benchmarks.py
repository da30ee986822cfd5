"""The benchmarks still run what they measure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks.drain import drain
from benchmarks.loading import load, record
from benchmarks.queues import QueueCalls, Syncline
from benchmarks.server import Server
from benchmarks.storage import bytes_of_a_task

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.queues import Queue


@pytest.fixture
def server(postgres_server_url: str, migrated_template: str) -> Server:
    # The server of the tests; whose processor time is counted does not matter to them.
    return Server(url=postgres_server_url, pid=os.getpid(), version="any", schema=migrated_template)


@pytest.mark.parametrize("queue", [QueueCalls(), Syncline(slots=8)], ids=["queue", "worker"])
def test_a_drain_ends_every_task_and_tells_its_rates(server: Server, queue: Queue) -> None:
    # The kernel counts processor time in hundredths of a second: fewer tasks can seem to have taken none.
    drained = drain(server, queue, tasks=1000, processes=2)
    assert drained.scheduled > 0
    assert drained.rate > 0
    assert drained.workers > 0


def test_what_a_task_leaves_is_counted_in_bytes(server: Server) -> None:
    # An event has 100 bytes and more, each of two log lines as well.
    assert 500 < bytes_of_a_task(server, QueueCalls(), collections=100, rounds=3) < 10_000


@pytest.mark.parametrize("key", [False, True])
def test_recorded_messages_are_all_loaded(server: Server, tmp_path: Path, *, key: bool) -> None:
    recorded = record(tmp_path / "made.jsonl", 15_000, price=1)
    with server.database() as url:
        assert load({"type": "postgres", "url": url, "schema": "loaded"}, recorded, key=key, records=15_000) > 0
