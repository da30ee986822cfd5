"""Processes of a user who is not root: root may read and do everything, whatever a process hides."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from app.bootstrap.postgres_programs import NOBODY
from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_BECOME: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups") if os.geteuid() == 0 else ()


def python_as_nobody(probe: str) -> tuple[str, ...]:
    """The command of a Python that runs as a normal user, with what is installed here; `probe` is code it must run.

    Tests that are not run by root stay the user that they are.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        command = (*_BECOME, "env", f"PYTHONPATH={ROOT}:{sysconfig.get_path('purelib')}", python)
        with suppress(OSError):
            done = subprocess.run([*command, "-c", probe], cwd="/", capture_output=True, check=False)
            if done.returncode == 0:
                return command
    pytest.skip("no Python here with this project that another user may run")


def environment_of_nobody(directory: Path, probe: str) -> tuple[str, ...]:
    """The same in an environment that is made in that user's `directory`: what it starts finds its modules as well."""
    python = python_as_nobody(probe)
    subprocess.run([*python, "-m", "venv", "--without-pip", str(directory)], cwd="/", check=True)
    [packages] = directory.glob("lib/python*/site-packages")
    (packages / "project.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    return (*_BECOME, str(directory / "bin" / "python"))
