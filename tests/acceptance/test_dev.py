"""`syncline dev` as a person uses it: start, Ctrl-C, kill -9, start again, mistakes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from app.lifeline import end_with_parent
from tests.acceptance.cluster import wait_until
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
server: {admin_token: dev-token, drain_seconds: 1}
sources:
  load:
    type: synthetic
    destinations: [nowhere]
    collections:
      - {name: ticks, schedule: "@every 1s"}
      - {name: long, parameters: {seconds: 600}}
  far:
    type: synthetic
    pool: elsewhere
    destinations: [nowhere]
    collections:
      - {name: ticks, schedule: "@every 1s"}
  shop:
    type: singer
    destinations: [nowhere]
    config:
      command: [PYTHON, TAP]
      config: {stream: orders, records: 100000, seconds: 600}
    collections:
      - {name: orders, sync_mode: incremental, cursor_field: id}
destinations:
  nowhere: {type: none}
"""


TAP = Path(__file__).with_name("tap.py")


class Dev:
    """One `syncline dev` on a data directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.config = directory / "syncline.yaml"
        self.config.write_text(CONFIG.replace("PYTHON", sys.executable).replace("TAP", str(TAP)))
        self.port = free_port()
        self.data = directory / "data"
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *, terminal: int | None = None) -> subprocess.Popen[str]:
        """Standard output goes to the `terminal`, if there is one."""
        with (self._directory / "output").open("w") as output:
            dev = subprocess.Popen(
                self.command(),
                env=self.environment(),
                text=True,
                stdout=output if terminal is None else terminal,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two short calls that take no lock
            )
        self._started.append(dev)
        return dev

    def command(self, *, port: int | None = None) -> list[str]:
        options = ["--config", str(self.config), "--port", str(port or self.port), "--data", str(self.data)]
        return [sys.executable, "-m", "app.cli", "dev", *options]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._directory)}

    def output(self) -> str:
        return (self._directory / "output").read_text()

    def welcomed(self) -> str:
        """What it says once everything runs."""
        return str(wait_until("dev runs", lambda: "Press Ctrl-C to stop everything" in self.output() and self.output()))

    def tasks(self, collection: str, *, source: str = "load") -> list[dict[str, str]]:
        parameters = {"source": source, "collection": collection, "token": "dev-token"}
        span = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/tasks", params=parameters | span, trust_env=False)
        tasks: list[dict[str, str]] = answer.json()["tasks"]
        return tasks

    def processes(self) -> list[tuple[int, str]]:
        """Every process that was started from here, down to the taps: they all have their home in the directory.

        The database server inherits no home, and our own hide their environment from all but root: their
        commands, or those of their parents, name the directory.
        """
        # A zombie has no command any more.
        running = [each for each in psutil.process_iter(["ppid", "environ", "cmdline"]) if each.info["cmdline"]]
        ours = {
            process.pid
            for process in running
            if (process.info["environ"] or {}).get("HOME", "").startswith(str(self._directory))
            or any(str(self._directory) in word for word in process.info["cmdline"])
        }
        return [
            (process.pid, "\0".join(process.info["cmdline"]))
            for process in running
            if process.pid in ours or process.info["ppid"] in ours
        ]

    def start_a_tap(self) -> None:
        """Have a real child process, and its own, at work."""
        parameters = {"source": "shop", "collection": "orders", "token": "dev-token"}
        httpx.post(f"http://127.0.0.1:{self.port}/api/v1/tasks", params=parameters, trust_env=False).raise_for_status()
        wait_until("a tap runs", lambda: any(TAP.name in command for _, command in self.processes()))

    def end(self) -> None:
        for dev in self._started:
            if dev.poll() is None:
                dev.send_signal(signal.SIGTERM)
                dev.wait(timeout=60)


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    running = Dev(tmp_path)
    yield running
    running.end()


@pytest.fixture(scope="module")
def running_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One that runs, and that no test ends."""
    running = Dev(tmp_path_factory.mktemp("dev"))
    running.start()
    running.welcomed()
    yield running
    running.end()


def test_it_says_what_runs_and_its_curl_lines_work(running_dev: Dev) -> None:
    text = running_dev.welcomed()
    assert "dev-token" not in text, "a file is read by others, and kept"
    assert "Admin token: not shown, because this is not a terminal; set TOKEN to server.admin_token" in text
    created, listed, log = re.findall(r"^  (curl .*)$", text, re.MULTILINE)
    task_id = re.search(r'"task_id":"(load_long_[^"]+)"', shell(created))
    assert task_id
    assert task_id[1] in shell(listed)
    line = log.replace("TASK_ID", task_id[1])
    wait_until("the log begins", lambda: "Running task..." in shell(line))


def test_it_runs_the_tasks_of_every_pool(running_dev: Dev) -> None:
    def succeeded() -> bool:
        return any(task["status"] == "SUCCESS" for task in running_dev.tasks("ticks", source="far"))

    wait_until("a task of another pool has run", succeeded)


def test_only_a_terminal_is_told_the_admin_token(dev: Dev) -> None:
    reading, terminal = os.openpty()
    dev.start(terminal=terminal)
    os.close(terminal)
    with os.fdopen(reading, "rb", buffering=0) as screen:
        shown = ""
        while "Press Ctrl-C to stop everything" not in shown:
            shown += screen.read(4096).decode()
        dev.end()
    assert "Admin token: dev-token" in shown
    assert shown.count("&token=dev-token'") + shown.count("?token=dev-token'") == 3
    assert "dev-token" not in dev.output()


def test_ctrl_c_drains_and_the_next_start_goes_on(dev: Dev) -> None:
    first = dev.start()
    dev.welcomed()
    wait_until("two ticks", lambda: len(dev.tasks("ticks")) >= 2)
    dev.start_a_tap()
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=60) == 0
    wait_until("nothing is left", lambda: not dev.processes())

    dev.start()
    dev.welcomed()
    before = len(dev.tasks("ticks"))
    assert before >= 2
    wait_until("it goes on", lambda: len(dev.tasks("ticks")) > before)


def test_kill_9_leaves_no_process_behind(dev: Dev) -> None:
    first = dev.start()
    dev.welcomed()
    dev.start_a_tap()
    first.kill()
    first.wait()
    wait_until("nothing is left", lambda: not dev.processes())
    dev.start()
    dev.welcomed()


def test_everything_ends_with_the_database(dev: Dev) -> None:
    first = dev.start()
    dev.welcomed()
    dev.start_a_tap()
    home = dev.data / "postgres"
    os.kill(int((home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert first.wait(timeout=60) == 3
    told = f"syncline: the embedded PostgreSQL has ended, see {home / 'postgres.log'}: start 'syncline dev' again"
    assert told in dev.output()
    wait_until("nothing is left", lambda: not dev.processes())
    dev.start()
    dev.welcomed()


def test_a_token_can_be_made_beside_it(dev: Dev) -> None:
    code, text = a_token(dev)
    assert code == 2, text
    assert text.startswith(f"syncline: DATABASE_URL is not set, and no 'syncline dev' is running on {dev.data}: ")
    first = dev.start()
    dev.welcomed()
    code, text = a_token(dev)
    assert code == 0, text
    answer = httpx.get(
        f"http://127.0.0.1:{dev.port}/api/v1/sources", params={"token": text.split()[0]}, trust_env=False
    )
    assert answer.status_code == httpx.codes.OK
    # A killed one leaves word of where its database was.
    first.kill()
    first.wait()
    wait_until("nothing is left", lambda: not dev.processes())
    assert a_token(dev)[0] == 2


def test_commands_find_it_on_any_port_and_only_while_it_runs(dev: Dev) -> None:
    dev.port = 0
    first = dev.start()
    dev.welcomed()
    code, text = beside(dev, "status", "load")
    assert code == 0, text
    assert "load.long" in text
    left = (dev.data / "api.json").read_bytes()
    first.kill()
    first.wait()
    assert (dev.data / "api.json").read_bytes() == left
    code, text = beside(dev, "status", "load")
    assert code == 2, text
    assert text.startswith(f"syncline: SYNCLINE_URL is not set, and no 'syncline dev' is running on {dev.data}: ")
    wait_until("nothing is left", lambda: not dev.processes())

    dev.start()
    dev.welcomed()
    code, text = beside(dev, "token", "list")
    assert code == 0, text
    states = [line.split()[2] for line in text.splitlines() if line.endswith(" syncline dev")]
    assert states == ["revoked", "valid"], text


def test_a_dead_worker_is_started_again(running_dev: Dev) -> None:
    before = len(running_dev.tasks("ticks"))
    os.kill(int(wait_until("there is a worker", lambda: worker_pid(running_dev))), signal.SIGKILL)
    wait_until("it is told", lambda: "child.died" in running_dev.output())
    wait_until("the ticks go on", lambda: len(running_dev.tasks("ticks")) > before + 2)


def worker_pid(dev: Dev) -> int | None:
    """The worker among the processes of this `dev`."""
    return next((pid for pid, command in dev.processes() if "\0worker\0" in command), None)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda dev: dev.config.write_text("servr: {}"), "servr: unknown key; did you mean 'server'?"),
        (lambda dev: dev.config.unlink(), "syncline.yaml"),
    ],
)
def test_a_wrong_configuration_is_told_and_exits_with_2(dev: Dev, break_it: object, message: str) -> None:
    break_it(dev)  # type: ignore[operator]
    code, text = refused(dev)
    assert code == 2, text
    assert message in text
    assert not dev.data.exists(), "a database was started for nothing"


def test_a_taken_port_is_one_line_and_exits_with_2(dev: Dev) -> None:
    with socket.create_server(("127.0.0.1", dev.port)):
        code, text = refused(dev)
    assert code == 2, text
    assert not dev.data.exists(), "a database was started for nothing"
    mend = "choose another port with --port or server.port"
    assert text == f"syncline: cannot listen on 127.0.0.1:{dev.port}: Address already in use; {mend}\n"


def test_a_data_directory_that_cannot_be_used_is_one_line_and_exits_with_2(dev: Dev) -> None:
    dev.data = dev.config / "data"
    code, text = refused(dev)
    assert code == 2, text
    assert text.startswith(f"syncline: cannot write to the data directory '{dev.data}': Not a directory; set SYNCLINE_")
    assert text.count("\n") == 1


def test_a_second_one_on_the_same_data_is_refused(running_dev: Dev) -> None:
    """It would lose its database when the first one ends."""
    code, text = refused(running_dev, port=free_port())
    assert code == 2, text
    mend = "choose another directory with --data"
    assert text == f"syncline: another 'syncline dev' is running on {running_dev.data}: {mend}\n"


def refused(dev: Dev, *, port: int | None = None) -> tuple[int, str]:
    done = subprocess.run(
        dev.command(port=port), env=dev.environment(), capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def a_token(dev: Dev) -> tuple[int, str]:
    """What `syncline token create` says on the same data directory."""
    return beside(dev, "token", "create", "--scope", "read")


def beside(dev: Dev, *arguments: str) -> tuple[int, str]:
    """What a command says on the same data directory."""
    command = [sys.executable, "-m", "app.cli", *arguments]
    environment = dev.environment() | {"SYNCLINE_DATA_DIR": str(dev.data)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def shell(command: str) -> str:
    """What a pasted line prints where the token is known as the welcome says."""
    environment = os.environ | {"TOKEN": "dev-token"}
    quiet = command.replace("curl", "curl -s", 1)
    return subprocess.run(["sh", "-c", quiet], env=environment, capture_output=True, text=True, check=True).stdout
