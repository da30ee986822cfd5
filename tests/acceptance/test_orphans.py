"""After `kill -9` of an attempt nothing of it runs, not even what left its session and carries no mark."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
import yaml

from tests.acceptance.cluster import DEADLINE_SECONDS, NO_TLS, TOKEN, Api, Cluster, Process, wait_until
from tests.integration.execution.children import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux a process adopts orphans")

# Starts a daemon with an empty environment in a session of its own, whose child is in another one, and says the numbers
# of the attempt, of the daemon and of its child in a file.
TAP = r"""
import os, subprocess, sys, time
name, directory = sys.argv[1], os.path.dirname(__file__)
daemon = '''
import os, subprocess, sys, time
sleeping = [sys.executable, "-S", "-c", "import time; time.sleep(600)", sys.argv[2]]
child = subprocess.Popen(sleeping, start_new_session=True, env={})
said = os.path.join(sys.argv[2], sys.argv[1])
with open(said + ".unfinished", "w") as file:
    file.write(f"{sys.argv[3]} {os.getpid()} {child.pid}")
os.rename(said + ".unfinished", said)
time.sleep(600)
'''
subprocess.Popen(
    [sys.executable, "-S", "-c", daemon, name, directory, str(os.getppid())], start_new_session=True, env={}
)
time.sleep(600)
"""
# What the script that starts a container may do before it becomes the worker.
ENTRYPOINT = """
import os, subprocess, sys
helper = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
open("helper", "w").write(str(helper.pid))
os.execv(sys.executable, [sys.executable, "-m", "app.cli", *sys.argv[1:]])
"""


def catalogue(directory: Path) -> str:
    (directory / "tap.py").write_text(TAP)
    sources = {
        name: {
            "type": "singer",
            "destinations": ["nowhere"],
            "collections": [{"name": "made", "max_attempts": 1}],
            "config": {"command": [sys.executable, str(directory / "tap.py"), name]},
        }
        for name in ("killed", "spared")
    }
    return yaml.safe_dump(
        {
            "server": {"admin_token": TOKEN, "drain_seconds": 0},
            "sources": sources,
            "destinations": {"nowhere": {"type": "none"}},
        }
    )


@pytest.fixture
def cluster(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path, catalogue(tmp_path), database_url) as running:
        yield running


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], tuple[int, int, int]]]:
    """Waits for what the tap of a source has started: the attempt, the daemon and its child."""
    every: set[int] = set()

    def wait(source: str) -> tuple[int, int, int]:
        wait_until(f"the tap of {source} runs", (tmp_path / source).exists)
        attempt, daemon, child = map(int, (tmp_path / source).read_text().split())
        every.update((attempt, daemon, child))
        assert all(map(is_alive, (attempt, daemon, child)))
        return attempt, daemon, child

    yield wait
    for pid in filter(is_alive, every):
        os.kill(pid, signal.SIGKILL)


def test_a_killed_attempt_leaves_nothing_and_the_others_run_on(
    cluster: Cluster, started: Callable[[str], tuple[int, int, int]]
) -> None:
    api, worker = cluster.api(), cluster.worker()
    killed, _ = api.run("killed", "made"), api.run("spared", "made")
    attempt, *daemons = started("killed")
    others = started("spared")
    os.kill(attempt, signal.SIGKILL)
    assert "killed by signal 9" in api.ended(killed)["error"]
    # Not even as zombies.
    assert [pid for pid in daemons if psutil.pid_exists(pid)] == []
    assert all(map(is_alive, others))
    assert worker.stop() == 0
    assert [pid for pid in others if is_alive(pid)] == []
    assert '"orphans.killed"' in worker.text


def test_what_a_worker_has_not_started_itself_is_spared(
    cluster: Cluster, started: Callable[[str], tuple[int, int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    api = cluster.api()
    program = ("-c", ENTRYPOINT)
    environment = cluster.environment | {"PYTHONPATH": ":".join(sys.path)}
    cluster.processes.append(Process(tmp_path, environment, "worker", program=program))
    killed = api.run("killed", "made")
    attempt, *daemons = started("killed")
    helper = int((tmp_path / "helper").read_text())
    os.kill(attempt, signal.SIGKILL)
    assert api.ended(killed)["status"] == "FAILED"
    assert [pid for pid in daemons if psutil.pid_exists(pid)] == []
    assert is_alive(helper)
    os.kill(helper, signal.SIGKILL)


def discover(api: Api, source: str) -> httpx.Response:
    return httpx.post(
        f"{api.address}/api/v1/sources/discover",
        json={"source": source},
        headers={"X-Admin-Token": TOKEN},
        timeout=DEADLINE_SECONDS,
        trust_env=False,
        verify=NO_TLS,
    )


def test_a_killed_question_of_the_api_leaves_nothing(
    cluster: Cluster, started: Callable[[str], tuple[int, int, int]]
) -> None:
    api = cluster.api()
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(discover, api, "killed")
        attempt, *daemons = started("killed")
        os.kill(attempt, signal.SIGKILL)
        answer = asked.result()
    assert answer.status_code >= httpx.codes.BAD_REQUEST, answer.text
    assert [pid for pid in daemons if psutil.pid_exists(pid)] == []


def test_a_killed_question_of_a_command_leaves_nothing(
    cluster: Cluster, started: Callable[[str], tuple[int, int, int]]
) -> None:
    command = cluster.start("sources", "discover", "killed")
    attempt, *daemons = started("killed")
    os.kill(attempt, signal.SIGKILL)
    assert command.wait() == 1
    assert [pid for pid in daemons if psutil.pid_exists(pid)] == []
