"""A private directory for each attempt, for files that may hold secrets and for staged rows."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".lock"


@contextmanager
def workspace(data_dir: Path, *, name: str) -> Iterator[Path]:
    """A new directory, readable by its owner only; removed at the end, or by the next `sweep` after a SIGKILL.

    Its name begins with `name`.
    """
    with _clear_and_hold(data_dir) as attempts:
        own = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=attempts))
        held = _lock(own)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        if held is not None:
            os.close(held)


def sweep(data_dir: Path) -> None:
    """Remove the directories of attempts that were killed: files in them may hold secrets."""
    with _clear_and_hold(data_dir):
        pass


@contextmanager
def _clear_and_hold(data_dir: Path) -> Iterator[Path]:
    """The directory of all attempts, without those of dead ones; no other process adds or removes any meanwhile."""
    attempts = data_dir.absolute() / "attempts"
    attempts.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (attempts / _LOCK).open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        _remove_abandoned(attempts)
        yield attempts


def _remove_abandoned(attempts: Path) -> None:
    for directory in attempts.iterdir():
        if directory.is_dir() and (lock := _lock(directory)) is not None:
            shutil.rmtree(directory, ignore_errors=True)
            os.close(lock)


def _lock(directory: Path) -> int | None:
    """The locked descriptor of a directory, None while a living attempt has it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
