"""A program prints the password: once for connections that open at once, and in time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from app.config.reader import load_catalogue
from app.connectors.options import passwords
from app.connectors.options.passwords import PasswordProgram
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter22-of-today"


def program(*command: str, learned: list[str] | None = None) -> PasswordProgram:
    learn = learned.append if learned is not None else lambda _secret: None
    return PasswordProgram(command, key="password_command", learn=learn)


def shell(line: str, learned: list[str] | None = None) -> PasswordProgram:
    return program("sh", "-c", line, learned=learned)


@pytest.mark.parametrize(
    ("printed", "password"),
    [("a b\\n", "a b"), ("ab", "ab"), ("ab\\r\\n", "ab"), ("ab\\n\\n", "ab\n"), (" ab ", " ab "), ("é\\n", "é")],
)
def test_the_output_without_its_last_newline_is_the_password(printed: str, password: str) -> None:
    learned: list[str] = []
    assert shell(f"printf '{printed}'", learned).read() == password
    assert learned == [password]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"echo {SECRET}; echo {SECRET} >&2; exit 3", "exited with code 3: run it yourself to see why"),
        ("kill -9 $$", "was killed by signal 9: run it yourself to see why"),
        ("true", "printed nothing: it must print the password"),
        ("echo", "printed nothing: it must print the password"),
        (r"printf '\377'", "printed something that is not UTF-8"),
        (rf"printf '{SECRET}\000'", "printed a NUL character, which no password can have"),
        ("yes", "printed more than 64 KiB"),
    ],
)
def test_what_is_no_password_is_an_error_that_names_the_program_only(line: str, message: str) -> None:
    with pytest.raises(SynclineError) as caught:
        shell(line).read()
    assert str(caught.value) == f"password_command: 'sh' {message}"
    assert not isinstance(caught.value, ConfigurationError)


def test_a_program_that_takes_too_long_is_killed_with_all_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "SECONDS", 0.5)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # As long as one of the two lives, it holds the pipe open for writing.
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(SynclineError, match=r"^password_command: 'sh' took longer than 0\.5 s$"):
        shell(f"exec 3> {fifo}; sleep 600 & sleep 600").read()
    os.set_blocking(reading, True)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_program_that_leaves_another_one_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "SECONDS", 60)
    began = time.monotonic()
    assert shell(f"sleep 30 & echo {SECRET}").read() == SECRET
    assert time.monotonic() - began < 20


def test_a_password_that_is_printed_as_its_program_ends_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program writes the rest and ends just after a look at its pipe has found nothing."""
    look, process_ends = select.poll, subprocess.Popen.wait

    class LookBeforeTheEnd:
        def __init__(self) -> None:
            self._poll = look()
            self.register = self._poll.register

        def poll(self, milliseconds: float) -> list[tuple[int, int]]:
            found = self._poll.poll(milliseconds)
            if not found:
                process_ends(started[-1])
            return found

    class Started(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(subprocess, "Popen", Started)
    monkeypatch.setattr(select, "poll", LookBeforeTheEnd)
    assert shell("printf first-; sleep 0.3; printf last").read() == "first-last"


@pytest.mark.parametrize(
    ("command", "named"),
    [("no-such-program", "'no-such-program'"), ("/", "'/'"), (f"VAULT_TOKEN={SECRET}", "'VAULT_TOKEN=***'")],
)
def test_a_program_that_is_not_there_is_named(command: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        program(command).read()
    assert str(caught.value).startswith(f"password_command: cannot start {named}: ")
    assert str(caught.value).endswith("; name a program in PATH, or its whole path")


def test_it_gets_the_environment_of_our_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of/syncline")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    assert shell("echo $HOME,$DATABASE_URL,$HTTPS_PROXY").read() == "/home/of/syncline,,http://proxy"


def test_connections_that_open_at_once_share_what_it_has_printed(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    asked = shell(f"echo >> {calls}; wc -l < {calls}")
    barrier = threading.Barrier(8)

    def read(_number: int) -> str:
        barrier.wait()
        return asked.read().strip()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(8))) == {"1"}


def test_it_is_asked_again_after_some_seconds_and_for_a_refused_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    asked = shell(f"echo >> {calls}; echo password-$(wc -l < {calls})")
    assert asked.read() == asked.read() == "password-1"
    asked.forget("another")
    assert asked.read() == "password-1"
    asked.forget("password-1")
    assert asked.read() == "password-2"
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert asked.read() == "password-3"


def test_only_a_password_that_differs_from_the_last_is_learned(tmp_path: Path) -> None:
    printed, learned = tmp_path / "printed", list[str]()
    asked = shell(f"cat {printed}", learned)
    for password in ("one", "one", "two", "one"):
        printed.write_text(password)
        asked.forget(asked.read() if learned else None)
        assert asked.read() == password
    assert learned == ["one", "two", "one"]


def test_a_password_is_refused_at_once_while_the_program_runs_for_another_login(tmp_path: Path) -> None:
    fifo, calls = tmp_path / "fifo", tmp_path / "calls"
    os.mkfifo(fifo)
    asked = shell(f"echo >> {calls}; cat {fifo}")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(asked.read)
        # Opens once the program reads.
        with fifo.open("w") as file:
            asked.forget("old")
            assert not reading.done()
            file.write("old")
        assert reading.result() == "old"
        reading = pool.submit(asked.read)
        fifo.write_text("new")
        assert reading.result() == "new"
    assert calls.read_text() == "\n\n"


def problems_of(destinations: dict[str, Any], sources: dict[str, Any] | None = None) -> list[str]:
    given = {"sources": sources or {}, "destinations": destinations | {"nowhere": {"type": "none"}}}
    return [str(problem) for problem in load_catalogue(json.dumps(given), {"SECRET": SECRET}).problems]


def source(type_: str, **config: Any) -> dict[str, Any]:
    parameters = {"redis_key": "c:*"} if type_ == "redis" else {"table": "c"}
    collections = [{"name": "c", "parameters": parameters}]
    return {"s": {"type": type_, "destinations": ["nowhere"], "collections": collections, "config": config}}


GOOD: list[Any] = [["vault", "kv", "get"], "vault kv get 'a b'", "touch {marker}"]


@pytest.mark.parametrize("command", GOOD)
def test_a_check_accepts_it_and_does_not_run_it(command: Any, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    command = command.replace("{marker}", str(marker)) if isinstance(command, str) else command
    assert problems_of({"w": {"type": "postgres", "host": "h", "password_command": command}}) == []
    assert problems_of({"w": {"type": "postgres", "url": "postgresql://u@h/d", "password_command": command}}) == []
    assert problems_of({}, source("sql", url="postgresql://u@h/d", password_command=command)) == []
    assert problems_of({}, source("redis", host="h", password_command=command)) == []
    assert not marker.exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("vault 'x", "not a command line: no closing quotation; it may also be a list"),
        ("", "must not be empty: write a program and its arguments"),
        ([], "must not be empty: write a program and its arguments"),
        ({"a": 1}, "must be a string or a list, not a mapping"),
        (f"vault {SECRET} 'x", "not a command line: no closing quotation; it may also be a list"),
    ],
)
def test_a_wrong_command_is_refused_without_being_shown(command: Any, message: str) -> None:
    [problem] = problems_of({"w": {"type": "postgres", "host": "h", "password_command": command}})
    assert problem.endswith(f"destinations.w.password_command: {message}")


IN_URL = "'url' has a password, and cannot be combined with 'password_command': remove one of them"


@pytest.mark.parametrize(
    ("destinations", "sources"),
    [
        ({"w": {"type": "postgres", "url": f"postgresql://u:{SECRET}@h/d", "password_command": "x"}}, None),
        ({"w": {"type": "postgres", "url": f"postgresql://u@h/d?password={SECRET}", "password_command": "x"}}, None),
        ({}, source("sql", url=f"postgresql://u:{SECRET}@h/d", password_command="x")),
        ({}, source("sql", url=f"postgresql://u@h/d?password={SECRET}", password_command="x")),
        ({}, source("redis", url=f"redis://:{SECRET}@h", password_command="x")),
        ({}, source("redis", url=f"redis://h?password={SECRET}", password_command="x")),
    ],
)
def test_a_url_with_a_password_cannot_be_combined_with_it(destinations: Any, sources: Any) -> None:
    [problem] = problems_of(destinations, sources)
    assert problem.endswith(IN_URL)


@pytest.mark.parametrize("parameter", ["sslpassword", "ssl_key_password"])
def test_the_passphrase_of_a_key_is_not_the_login_s_password(parameter: str) -> None:
    url = f"postgresql://u@h/d?{parameter}={SECRET}"
    assert problems_of({}, source("sql", url=url, password_command="x")) == []


def test_a_destination_takes_the_passphrase_of_a_key_beside_it() -> None:
    url = f"postgresql://u@h/d?sslpassword={SECRET}"
    assert problems_of({"w": {"type": "postgres", "url": url, "password_command": "x"}}) == []


@pytest.mark.parametrize(
    ("destinations", "sources"),
    [
        ({"w": {"type": "postgres", "host": "h", "password": SECRET, "password_command": "x"}}, None),
        ({}, source("redis", host="h", password=SECRET, password_command="x")),
    ],
)
def test_a_password_cannot_be_combined_with_it(destinations: Any, sources: Any) -> None:
    [problem] = problems_of(destinations, sources)
    assert problem.endswith("'password' and 'password_command' cannot be combined: use one or the other")


def test_a_database_in_a_file_has_no_password() -> None:
    [problem] = problems_of({}, source("sql", url="sqlite:////tmp/x.db", password_command="x"))
    assert problem.endswith("'password_command': a database in a file has no password; remove it")
