"""Who runs a command, as the events say it that it causes."""

from __future__ import annotations

import getpass
import os

import click
import pytest

from app.cli.causes import NOTE, cause_of_command, who_runs_this
from app.domain.cause import Actor


@pytest.fixture(autouse=True)
def _run_by_bob(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", lambda: "bob")


def test_it_is_the_user() -> None:
    assert who_runs_this() == Actor("command", "bob")
    assert cause_of_command("why").data == {"who": {"kind": "command", "name": "bob"}, "note": "why"}
    assert cause_of_command(None).data == {"who": {"kind": "command", "name": "bob"}}


def test_it_is_the_person_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    assert who_runs_this() == Actor("command", "alice")
    monkeypatch.setenv("SUDO_USER", "")
    assert who_runs_this() == Actor("command", "bob")


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_in_a_container_it_may_be_a_number(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def getuser() -> str:
        raise error("uid not found")

    monkeypatch.setattr(getpass, "getuser", getuser)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert who_runs_this() == Actor("command", "uid 1000")


def test_the_environment_cannot_spoil_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "a\x1b\udcff" + "x" * 300)
    name = who_runs_this().name
    assert name.startswith("a\\x1b\\udcffxx")
    assert len(name) == 200


def test_a_note_that_cannot_be_kept_is_refused() -> None:
    assert NOTE("why\nand how") == "why\nand how"
    expected = "must have at most 1000 characters, without control characters other than line breaks"
    for text in ("x" * 1001, "a\x1b"):
        with pytest.raises(click.BadParameter, match=expected):
            NOTE(text)
