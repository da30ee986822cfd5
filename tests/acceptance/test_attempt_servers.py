"""What becomes of tasks whose attempt server dies: no attempt of theirs has failed."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
import yaml

from tests.acceptance.cluster import TOKEN, Cluster, wait_until
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")

SOURCE = """
import os, time
from pathlib import Path

def rows(_context):
    here = Path(__file__).parent
    yield {"id": 1}
    (here / f"began-{os.getpid()}").write_text(str(os.getppid()))
    while not (here / "go on").exists():
        time.sleep(0.01)
    yield {"id": 2}
"""


@pytest.fixture
def cluster(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "waiting.py").write_text(SOURCE)
    catalogue = {
        "server": {"admin_token": TOKEN},
        "sources": {
            "made": {
                "type": "python",
                "destinations": ["nowhere"],
                "collections": [{"name": "rows", "max_attempts": 1}],
                "config": {"function": "waiting:rows", "path": [str(tmp_path)]},
            }
        },
        "destinations": {"nowhere": {"type": "none"}},
    }
    with Cluster(tmp_path, yaml.safe_dump(catalogue), database_url) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_attempts_of_a_server_that_dies_are_handed_back(
    cluster: Cluster, tmp_path: Path, number: signal.Signals
) -> None:
    api, worker = cluster.api(), cluster.worker()
    task = api.run("made", "rows")
    [began] = wait_until("the attempt has begun", lambda: list(tmp_path.glob("began-*")))
    attempt, server = int(began.name.removeprefix("began-")), int(wait_until("its words", began.read_text))
    assert psutil.Process(server).ppid() == worker.pid
    assert "app.attempt.server" in psutil.Process(server).cmdline()
    os.kill(server, number)
    wait_until("the attempt is gone", lambda: not is_alive(attempt))
    (tmp_path / "go on").touch()
    ended = api.ended(task)
    assert (ended["status"], ended.get("error")) == ("SUCCESS", None)
    lines = [line["message"] for line in api.log(task)]
    assert any("the process that had forked the attempt ended unexpectedly" in line for line in lines), lines
    assert worker.stop() == 0
    assert not psutil.pid_exists(server)
