"""Whether a `syncline dev` runs on a data directory: it holds a lock there, which ends with it even if it is killed."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FILE: Final = "dev.lock"
_PATIENCE_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.02


@contextmanager
def holding(data_dir: Path) -> Iterator[None]:
    """Be the only `syncline dev` on the directory.

    Raises:
        ConfigurationError: there is another, or files cannot be locked there.
    """
    lock = os.open(data_dir / _FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait_for(lock, data_dir)
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
    except OSError:
        return False
    finally:
        os.close(lock)


def already_running(data_dir: Path) -> ConfigurationError:
    return ConfigurationError(f"another 'syncline dev' is running on {data_dir}: choose another directory with --data")


def _wait_for(lock: int, data_dir: Path) -> None:
    """A command that looks whether one runs has the lock for a moment."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while not _take(lock, exclusive=True):
            if time.monotonic() > deadline:
                raise already_running(data_dir)
            time.sleep(_PAUSE_SECONDS)
    except OSError as error:
        why = f"cannot lock a file in {data_dir}: {error.strerror}; choose a directory on a local disk with --data"
        raise ConfigurationError(why) from None


def _take(lock: int, *, exclusive: bool) -> bool:
    if sys.platform == "win32":  # commands may run there, `syncline dev` does not
        return True
    try:
        fcntl.flock(lock, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
