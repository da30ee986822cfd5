"""What the tests of destinations need to leave nothing behind."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def trial_name() -> str:
    """A name that nothing has yet, and that says whose it is."""
    return f"syncline_trial_{secrets.token_hex(6)}"


@contextmanager
def without_new_directories(path: Path | None) -> Iterator[None]:
    """Removes the directories that come into being on the way to a local `path`, itself included, if they are empty."""
    missing = [each for each in (path, *path.parents) if not each.exists()] if path is not None else []
    try:
        yield
    finally:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
