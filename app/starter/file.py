"""Writes the file of a first catalogue, and keeps the one that was there."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
from functools import partial
from typing import TYPE_CHECKING

from app.domain.errors import ConfigurationError
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from pathlib import Path


def check_place(file: Path, *, force: bool) -> None:
    """Before anybody answers a question in vain.

    Raises:
        ConfigurationError: there is a file already, or none can be written.
    """
    shown = make_visible(str(file))
    if file.is_dir():
        raise ConfigurationError(f"'{shown}' is a directory: name a file with --config")
    if file.exists() and not force:
        raise ConfigurationError(
            f"'{shown}' already exists: name another file with --config, or replace it with --force"
        )
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(f"cannot write to the directory '{make_visible(str(file.parent.absolute()))}'")


def write_file(file: Path, text: str, *, force: bool, mode: int = 0o666) -> Path | None:
    """Write the file as a whole; whatever happens, no half of it stays. Returns a copy of the file that was there.

    A new file gets this `mode`, as far as the umask lets it.

    Raises:
        ConfigurationError: it cannot be written, or is there by now.
    """
    copy = None
    # A link stays one.
    file = file.resolve() if force else file
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new") if force else file
    try:
        with open(new, "x", encoding="utf-8", opener=partial(os.open, mode=mode)) as writing:
            try:
                writing.write(text)
                writing.flush()
                os.fsync(writing.fileno())
                if force and file.exists():
                    shutil.copymode(file, new)
                    copy = _keep_copy(file)
                new.replace(file)
            except BaseException:
                new.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ConfigurationError(f"cannot write '{make_visible(str(file))}': {error.strerror}") from error
    return copy


def _keep_copy(file: Path) -> Path:
    """A copy beside the file; earlier ones stay."""
    names = (f"{file.name}.old{number if number > 1 else ''}" for number in itertools.count(1))
    copy = next(each for name in names if not (each := file.with_name(name)).exists())
    shutil.copy2(file, copy)
    return copy
