"""The benchmarks still run what they measure."""

from __future__ import annotations

import os

import pytest

from benchmarks.drain import drain
from benchmarks.queues import Syncline
from benchmarks.server import Server


@pytest.fixture
def server(postgres_server_url: str, migrated_template: str) -> Server:
    # The server of the tests; whose processor time is counted does not matter to them.
    return Server(url=postgres_server_url, pid=os.getpid(), version="any", schema=migrated_template)


def test_a_drain_ends_every_task_and_tells_its_rate(server: Server) -> None:
    # The kernel counts processor time in hundredths of a second: fewer tasks can seem to have taken none.
    drained = drain(server, Syncline(slots=8), tasks=1000, processes=2)
    assert drained.rate > 0
    assert drained.workers > 0
