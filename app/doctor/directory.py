"""The data directory. Nothing is written to it, and it is not created."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from app.doctor.bounded import in_thread
from app.doctor.finding import fail, ok, warn

if TYPE_CHECKING:
    from pathlib import Path

    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

_NAME: Final = "data directory"
FULL: Final = 100 * 1024**2
NEARLY_FULL: Final = 1024**3
_MIB: Final = 1024**2
_SET_IT: Final = "Set SYNCLINE_DATA_DIR to a directory that this user can write to, on a disk with free space."


async def look(installation: Installation) -> list[Finding]:
    path = installation.settings.data_dir.absolute()
    # A network file system may not answer.
    return await in_thread(lambda: list(_look_at(path)))


def _look_at(path: Path) -> list[Finding]:
    if not path.exists():
        parent = next(each for each in path.parents if each.exists())
        if not _may_write(parent):
            return [fail(_NAME, f"{path} does not exist, and this user cannot create it in {parent}", _SET_IT)]
        remedy = "The first worker creates it. If one has run, set SYNCLINE_DATA_DIR to what it uses."
        return [warn(_NAME, f"{path} does not exist yet", remedy), *_space(parent)]
    if not path.is_dir():
        return [fail(_NAME, f"{path} is not a directory", _SET_IT)]
    if not _may_write(path):
        return [fail(_NAME, f"this user cannot write to {path}", _SET_IT)]
    return [_mode(path), *_space(path)]


def _may_write(path: Path) -> bool:
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _mode(path: Path) -> Finding:
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        return warn(_NAME, f"others may write to {path}, and so make this user run programs", f"Run chmod 700 {path}")
    return ok(_NAME, str(path))


def _space(path: Path) -> list[Finding]:
    free = shutil.disk_usage(path).free
    text = f"{free / _MIB:,.0f} MiB free"
    if free < FULL:
        return [fail("disk", f"only {text} in {path}", "Make room: attempts write files there.")]
    if free < NEARLY_FULL:
        return [warn("disk", f"only {text} in {path}", "Make room: attempts write files there.")]
    return [ok("disk", text)]
