"""How long a trial of a source waits, and for what."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.config.reader import load_catalogue
from app.domain.errors import SynclineError
from app.execution import questions, source_check
from tests.integration.execution.children import use_children
from tests.servers.package_index import forget_settings

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  tapped:
    type: singer
    config: {package: tap-made==1.0}
    destinations: [nowhere]
    collections: [any]
destinations:
  nowhere: {type: none}
"""
# Never comes to an end.
UV = """#!/bin/sh
cat {gate}
exit 1
"""


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whoever writes to it lets the installer go on."""
    forget_settings(monkeypatch, tmp_path)
    program = tmp_path / "bin" / "uv"
    program.parent.mkdir()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    program.write_text(UV.format(gate=gate))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return gate


async def trial(data_dir: Path) -> None:
    catalogue = load_catalogue(CATALOGUE, {})
    await source_check.check_source(catalogue, "tapped", None, data_dir=data_dir, now=datetime.now(UTC))


@pytest.mark.usefixtures("gate")
async def test_an_installation_has_a_time_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_INSTALLING_SECONDS", 0.0)
    with pytest.raises(SynclineError, match=r"^installing the connector's package took more than 0 minutes$"):
        await trial(tmp_path)


@pytest.mark.usefixtures("gate")
async def test_an_installation_by_somebody_else_has_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_INSTALLING_SECONDS", 0.0)
    with pytest.raises(SynclineError):
        await trial(tmp_path)
    (lock,) = (tmp_path / "venvs").glob("*.lock")
    (tmp_path / "bin" / "uv").unlink()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SynclineError, match=r"^installing the connector's package took more than"):
            await trial(tmp_path)


async def test_a_long_installation_is_told_again_and_again(
    gate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_TELL_SECONDS", 0.01)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://packages.example.com/simple")  # so pip does not try, too
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line.partition(" (")[0])
        if told[-1].startswith("still installing") and told.count(told[-1]) == 2:
            gate.write_text("")

    catalogue = load_catalogue(CATALOGUE, {})
    (answer,) = await source_check.check_collections(
        catalogue, catalogue.sources["tapped"], ["any"], data_dir=tmp_path, now=datetime.now(UTC), tell=tell
    )
    assert "installing tap-made==1.0, which may take minutes" in told
    assert "installed tap-made==1.0" not in told
    assert answer.error is not None
    assert "cannot create a virtual environment: the command ended with code 1" in answer.error


async def test_a_check_that_crashes_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = load_catalogue(use_children(monkeypatch, tmp_path), {})
    answers = await source_check.check_collections(
        catalogue, catalogue.sources["s"], ["talkative", "mute"], data_dir=tmp_path, now=datetime.now(UTC)
    )
    assert [(each.name, each.error) for each in answers] == [
        ("talkative", "could not log in with ***"),
        ("mute", "the connector exited with code 3 and sent no result"),
    ]


async def test_the_connectors_own_time_begins_when_it_is_installed() -> None:
    patience = questions._Patience(questions.say_nothing, seconds=questions._TIMEOUT_SECONDS)
    async with patience.clock as clock:
        patience.wait_for_installer("tap-made==1.0")
        installing = clock.when()
        patience.wait_for_installer("tap-made==1.0")
        assert clock.when() == installing
        patience.begin_again()
        begun = clock.when()
        assert begun is not None
        assert installing is not None
        assert begun < installing
    assert patience.explain_timeout() == "the connector did not answer within 120 seconds"


async def test_a_connector_that_talks_like_an_installer_gains_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = use_children(monkeypatch, tmp_path)
    catalogue = load_catalogue(config, {})
    monkeypatch.setattr(questions, "_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(questions, "_INSTALLING_SECONDS", 0.0)
    with pytest.raises(SynclineError, match=r"^the connector did not answer within"):
        await source_check.check_source(catalogue, "s", "posing", data_dir=tmp_path, now=datetime.now(UTC))
