"""What the doctor sees on this machine: the data directory, the catalogue, and the hosts that it names."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
from typing import TYPE_CHECKING, NamedTuple

import pytest

from app.doctor import catalogue, directory, network
from app.doctor.bounded import bounded
from tests.integration.doctor.looking import installation_at, look, look_once, with_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.doctor.finding import Finding

GOOD = """
sources:
  cache:
    type: redis
    destinations: [nowhere]
    config: {{host: 127.0.0.1, port: {port}}}
    collections: [{{name: keys, parameters: {{redis_key: "*"}}}}]
destinations:
  nowhere: {{type: none}}
  warehouse: {{type: postgres, url: "postgresql://me:very-secret@127.0.0.1:{port}/db"}}
"""


class Usage(NamedTuple):
    free: int


async def test_a_missing_data_directory_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "data"
    missing, disk = await look(directory.look, installation_at(SYNCLINE_DATA_DIR=path))
    assert missing[:3] == ("data directory", "warn", f"{path} does not exist yet")
    assert disk[:2] == ("disk", "ok")
    assert not path.parent.exists()


def test_nothing_is_written_to_the_data_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    before = tmp_path.stat().st_mtime_ns
    found, _ = asyncio.run(look(directory.look, installation_at(SYNCLINE_DATA_DIR=tmp_path)))
    assert found == ("data directory", "ok", str(tmp_path), "")
    assert tmp_path.stat().st_mtime_ns == before


async def test_a_file_in_the_place_of_the_data_directory_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    found = await look_once(directory.look, installation_at(SYNCLINE_DATA_DIR=path))
    assert found[1:3] == ("fail", f"{path} is not a directory")
    below = await look_once(directory.look, installation_at(SYNCLINE_DATA_DIR=path / "below"))
    assert below[1:3] == ("fail", f"{path}/below does not exist, and this user cannot create it in {path}")


async def test_a_data_directory_that_cannot_be_written_to_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root could write everywhere.
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    found = await look_once(directory.look, installation_at(SYNCLINE_DATA_DIR=tmp_path))
    assert found[1:3] == ("fail", f"this user cannot write to {tmp_path}")
    below = await look_once(directory.look, installation_at(SYNCLINE_DATA_DIR=tmp_path / "below"))
    assert below[1:3] == ("fail", f"{tmp_path}/below does not exist, and this user cannot create it in {tmp_path}")


def test_a_data_directory_that_others_may_write_to_is_warned_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    found, _ = asyncio.run(look(directory.look, installation_at(SYNCLINE_DATA_DIR=tmp_path)))
    assert found[1] == "warn"
    assert found[3] == f"Run chmod 700 {tmp_path}"


@pytest.mark.parametrize(("free", "state"), [(0, "fail"), (200 * 1024**2, "warn"), (2 * 1024**3, "ok")])
async def test_a_disk_that_is_nearly_full_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(free))
    _, disk = await look(directory.look, installation_at(SYNCLINE_DATA_DIR=tmp_path))
    assert disk[:2] == ("disk", state)
    assert f"{free // 1024**2:,} MiB free" in disk[2]


async def test_without_a_catalogue_the_warning_says_how_to_name_one() -> None:
    found = await look_once(catalogue.look, installation_at())
    assert found[1:] == (
        "warn",
        "none is named, so none was looked at",
        "Use --config FILE, set SYNCLINE_CONFIG, or write ./syncline.yaml.",
    )


async def test_the_catalogue_s_problems_and_warnings_are_those_of_check(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    text = GOOD.format(port=1).replace("type: none", "type: non") + "notifications: {slack: {url: 'https://a.b/c'}}\n"
    problems, warnings = await look(catalogue.look, with_catalogue(path, text))
    assert problems[:3] == ("catalogue", "fail", f"{path} has 2 problems")
    assert problems[3].splitlines()[0].startswith(f"{path}:5: sources.cache.destinations[0]: ")
    assert warnings[1:3] == ("warn", "1 warning")
    assert "notifications.slack.url: is accepted but has no effect yet" in warnings[3]


async def test_of_many_problems_the_first_are_shown(tmp_path: Path) -> None:
    sources = "".join(f"  s{number}: {{type: nothing}}\n" for number in range(30))
    text = f"sources:\n{sources}destinations: {{}}\n"
    _, state, _, remedy = await look_once(catalogue.look, with_catalogue(tmp_path / "syncline.yaml", text))
    first, *_, last = remedy.splitlines()
    assert state == "fail"
    assert ":2: sources.s0" in first
    assert last.endswith(" more: run 'syncline check'.")
    assert len(remedy.splitlines()) == 21


async def test_a_catalogue_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    installation = with_catalogue(path, "sources: [")
    assert (await look_once(catalogue.look, installation))[1:3] == ("fail", f"{path} has 1 problem")
    path.unlink()
    _, state, _, remedy = await look_once(catalogue.look, installation)
    assert (state, remedy) == ("fail", f"{path}: cannot be read: no such file or directory")


async def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    installation = with_catalogue(path, "")
    path.unlink()
    os.mkfifo(path)
    [found] = await bounded("catalogue", catalogue.look(installation), seconds=0.1)
    assert (found.state, found.text) == ("fail", "no answer within 0.1 s")
    # Its reader ends.
    path.open("wb").close()


@pytest.mark.parametrize("seconds", [None, 60])
async def test_a_timeout_of_the_system_is_no_lack_of_time(seconds: float | None) -> None:
    async def check() -> list[Finding]:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out", "/srv/share")

    [found] = await bounded("directory", check(), seconds=seconds)
    assert (found.state, found.text) == ("fail", "cannot be examined: connection timed out")


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def reached(tmp_path: Path, text: str) -> list[tuple[str, str, str, str]]:
    installation = with_catalogue(tmp_path / "syncline.yaml", text)
    [read] = await look(catalogue.look, installation)
    assert read[1] == "ok", read
    return await look(network.look, installation)


async def test_one_line_says_who_needs_a_host_that_answers(tmp_path: Path, listening: int) -> None:
    found = await reached(tmp_path, GOOD.format(port=listening))
    assert [each[:3] for each in found] == [
        ("network", "ok", f"127.0.0.1:{listening} answers: source cache, destination warehouse")
    ]


async def test_a_host_that_does_not_answer_is_a_failure(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        [(_, state, text, _)] = await reached(tmp_path, GOOD.format(port=port))
    assert (state, text) == (
        "fail",
        f"127.0.0.1:{port} cannot be reached: connection refused; needed by source cache, destination warehouse",
    )


async def test_what_only_a_program_s_configuration_names_may_be_wrong(tmp_path: Path) -> None:
    text = """
sources:
  tap: {type: singer, destinations: [nowhere], config: {command: [tap], config: {host: 127.0.0.1, port: 1}}}
destinations:
  nowhere: {type: none}
"""
    [(_, state, text, _)] = await reached(tmp_path, text)
    assert (state, text) == ("warn", "127.0.0.1:1 cannot be reached: connection refused; needed by source tap")


async def test_a_host_that_is_silent_at_tls_is_given_up(
    tmp_path: Path, listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "SECONDS", 0.2)
    text = f"""
sources:
  page:
    type: files
    destinations: [nowhere]
    collections: [{{name: a, parameters: {{path: "https://127.0.0.1:{listening}/a.csv"}}}}]
destinations:
  nowhere: {{type: none}}
"""
    [(_, state, said, _)] = await reached(tmp_path, text)
    assert (state, said) == (
        "fail",
        f"127.0.0.1:{listening} cannot be reached: no answer within 0.2 s; needed by source page",
    )
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening}")
    [(_, state, said, _)] = await reached(tmp_path, text)
    assert (state, said) == (
        "ok",
        f"127.0.0.1:{listening} answers through the proxy 127.0.0.1:{listening}: source page",
    )
