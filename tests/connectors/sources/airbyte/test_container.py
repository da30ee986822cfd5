"""A connector in a container, with a `docker` that starts processes: no test here needs the real one."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from app.connectors.sources.airbyte.container import Container
from app.domain.attempt_protocol import ConfigRenewed
from app.domain.errors import ConfigurationError
from app.lifeline import end_descendants
from tests.connectors.discovering import discovered, offers
from tests.connectors.sources.airbyte.connecting import Connection, message, new_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMAGE = "airbyte/source-made:1.0"
# The client: it writes down what it was asked for, has the engine start the container and passes on what that says.
DOCKER = """#!{python}
import json, os, pathlib, signal, shutil, sys
home = pathlib.Path({home!r})
with (home / "docker.log").open("a") as log:
    print(*sys.argv[1:], sep="\\t", file=log)
arguments = sys.argv[1:]
if arguments[0] == "run":
    name = arguments[arguments.index("--name") + 1]
    mount = dict(part.split("=", 1) for part in arguments[arguments.index("--mount") + 1].split(","))
    image = next(at for at, word in enumerate(arguments) if word.startswith({image!r}))
    inside = [word.replace(mount["target"], mount["source"]) for word in arguments[image + 1:]]
    os.mkfifo(home / (name + ".out"))
    with (home / "engine").open("w") as engine:
        print(json.dumps([name, *inside]), file=engine)
    with (home / (name + ".out")).open("rb") as output:
        shutil.copyfileobj(output, sys.stdout.buffer)
    (home / (name + ".out")).unlink()
if arguments[0] == "rm" and (home / arguments[-1]).exists():
    os.kill(int((home / arguments[-1]).read_text()), signal.SIGKILL)
"""


class Engine(threading.Thread):
    """What containers are processes of, whoever asked for them; the number of one is kept under its name."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home
        os.mkfifo(home / "engine")
        # Also written to, so that it has no end.
        self._requests = os.open(home / "engine", os.O_RDWR)

    def run(self) -> None:
        with os.fdopen(self._requests) as requests:
            while (line := requests.readline()) != "stop\n":
                self._contain(*json.loads(line))

    def stop(self) -> None:
        os.write(self._requests, b"stop\n")
        self.join()

    def _contain(self, name: str, *arguments: str) -> None:
        with (self._home / f"{name}.out").open("wb") as output:
            command = [sys.executable, str(self._home / "connector.py"), *arguments]
            container = subprocess.Popen(command, stdout=output)
        (self._home / name).write_text(str(container.pid))
        container.wait()
        (self._home / name).unlink()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A connection by way of it."""
    connection = Connection(tmp_path)
    del connection.options["command"]
    connection.options |= {"image": IMAGE, "network": "host", "docker_options": ["--memory=1g"]}
    connection.destinations = {"nowhere": {"type": "none"}}
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(python=sys.executable, home=str(tmp_path), image=IMAGE.removesuffix("1.0")))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    engine = Engine(tmp_path)
    engine.start()
    yield connection
    engine.stop()


def test_an_image_runs_as_a_container_that_sees_its_attempt_only(docker: Connection, tmp_path: Path) -> None:
    told = docker.run(rows=3, state_every=1, phrase="open sesame", lines=["open sesame, please\n"])
    assert told.finished.records_read == 3
    assert "***, please" in told.lines, "its specification marks the phrase as a secret"
    left, *runs, removed = [line.split("\t") for line in (tmp_path / "docker.log").read_text().splitlines()]
    assert left[:3] == ["ps", "--all", "--quiet"]
    assert [run[run.index(IMAGE) + 1] for run in runs] == ["spec", "discover", "read"]
    run = runs[-1]
    name = run[run.index("--name") + 1]
    assert run[:7] == ["run", "--rm", "--interactive", "--init", "--log-driver", "none", "--name"]
    assert run[run.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    source = run[run.index("--mount") + 1].removeprefix("type=bind,source=").removesuffix(",target=/syncline")
    assert source.startswith(str(tmp_path / "state" / "attempts"))
    assert run[run.index("--network") :] == [
        *("--network", "host", "--memory=1g", IMAGE, "read"),
        *("--config", "/syncline/config.json", "--catalog", "/syncline/catalog.json"),
    ]
    assert removed == ["rm", "--force", name]
    assert "sesame" not in (tmp_path / "docker.log").read_text()
    docker.run(rows=3, state_every=1)
    assert (tmp_path / "docker.log").read_text().count("\tspec\n") == 1


def test_a_discovery_ends_no_container_of_others(docker: Connection, tmp_path: Path) -> None:
    [made] = offers(discovered(tmp_path, "airbyte", docker.options | {"config": docker.config}))
    assert made.name == "made"
    asked = [line.split("\t") for line in (tmp_path / "docker.log").read_text().splitlines()]
    assert [words[0] for words in asked] == ["run", "run", "rm"]
    assert not any("--label" in words for words in asked)


@pytest.mark.parametrize(("version", "asked"), [({"image_version": "1.0"}, 1), ({}, 2)])
def test_an_image_by_its_classic_name_tells_what_is_secret_each_time_where_it_may_be_a_newer_one(
    docker: Connection, tmp_path: Path, version: dict[str, str], asked: int
) -> None:
    del docker.options["image"]
    docker.options |= {"docker_image": "source-made"} | version
    for _ in range(2):
        told = docker.run(rows=3, state_every=1, phrase="open sesame", lines=["open sesame, please\n"])
        assert "***, please" in told.lines
    assert (tmp_path / "docker.log").read_text().count("\tspec\n") == asked


def test_the_specification_tells_what_is_secret_in_a_new_configuration_too(docker: Connection) -> None:
    log = message("LOG", log={"level": "INFO", "message": "open sesame, or open barley"})
    renewed = docker.config | {"phrase": "open barley", "lines": [log]}
    told = docker.run(phrase="open sesame", discover_lines=[new_config(renewed)])
    assert "***, or ***" in told.lines
    assert any(isinstance(each, ConfigRenewed) for each in told.messages)


def by_force(attempt: int) -> None:
    """As a worker does it when asking has not helped."""
    os.kill(attempt, signal.SIGSTOP)
    end_descendants([attempt])
    os.killpg(attempt, signal.SIGKILL)


def politely(attempt: int) -> None:
    os.kill(attempt, signal.SIGTERM)


@pytest.mark.parametrize("end", [politely, by_force])
def test_a_container_ends_with_its_attempt(docker: Connection, tmp_path: Path, end: Callable[[int], None]) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "connector.py").write_text(f"open({str(fifo)!r}).read()")
    attempt = docker.start()
    with fifo.open("w"):
        watched = os.pidfd_open(running(tmp_path))
        end(attempt.pid)
        attempt.close()
        ended = select.poll()
        ended.register(watched, select.POLLIN)
        assert ended.poll(10_000)
    os.close(watched)


def running(home: Path) -> int:
    """The number of the one container; it is noted as soon as it runs."""
    while True:
        for path in home.glob("syncline-*"):
            if path.suffix != ".out" and (number := path.read_text()):
                return int(number)


def test_without_docker_an_image_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection(tmp_path)
    del connection.options["command"]
    connection.options["image"] = IMAGE
    monkeypatch.setenv("PATH", "/nowhere")
    assert "the command docker is not on PATH" in str(connection.failure())


def test_an_image_that_is_not_there_is_not_pulled_where_nothing_may_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ntest -e {tmp_path}/pulled\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("SYNCLINE_INSTALL", "never")
    container = Container(IMAGE, owner=None, work_dir=tmp_path, network=None, options=())
    with pytest.raises(ConfigurationError) as refused:
        container.command()
    assert str(refused.value) == (
        f"image {IMAGE} is not on this machine, and SYNCLINE_INSTALL=never forbids pulling it now: "
        f"run 'docker pull {IMAGE}'"
    )
    assert (tmp_path / "asked").read_text() == f"image inspect {IMAGE}\n"
    (tmp_path / "pulled").touch()
    try:
        assert container.command()[-1] == IMAGE
    finally:
        container.end()
