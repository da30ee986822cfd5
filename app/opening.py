"""Opens what is found under a name without waiting for it."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_without_waiting(path: Path) -> IO[bytes]:
    """The file at `path`, open to be read; the caller closes it.

    To open a pipe without a writer would block for ever, and the process could not be stopped.
    """
    return open(path, "rb", opener=_without_waiting)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
