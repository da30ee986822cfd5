"""Whether a `syncline dev` runs on a data directory: it holds a lock there, which ends with it even if it is killed."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE: Final = "dev.lock"


@contextmanager
def holding(data_dir: Path) -> Iterator[None]:
    """Be the only `syncline dev` on the directory.

    Raises:
        ConfigurationError: there is another.
    """
    lock = os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(lock, exclusive=True):
            raise already_running(data_dir)
        yield
    finally:
        os.close(lock)


def is_held(data_dir: Path) -> bool:
    """Whether a `syncline dev` runs on the directory."""
    try:
        lock = os.open(data_dir / _FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _take(lock, exclusive=False)
    finally:
        os.close(lock)


def already_running(data_dir: Path) -> ConfigurationError:
    return ConfigurationError(f"another 'syncline dev' is running on {data_dir}: choose another directory with --data")


def _take(lock: int, *, exclusive: bool) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
