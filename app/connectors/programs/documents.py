"""JSON objects for programs: as a mapping in the catalogue, as JSON text, or in a file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any

import msgspec

from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError
from app.opening import open_without_waiting


def read_document(document: dict[str, Any] | str, key: str) -> dict[str, Any]:
    """`document` as an object: it is a mapping, JSON text, or the path of a file.

    Raises:
        ConfigurationError: it is something else; `key` is the option that the error names.
    """
    if isinstance(document, dict):
        return document
    text = document if document.lstrip().startswith("{") else read_text(document, key, "a JSON object")
    try:
        return check_object(jsontext.decode(text))
    except (msgspec.MsgspecError, TypeError) as error:
        raise ConfigurationError(f"'{key}' is not a JSON object: {error}") from None


def read_text(path: str, key: str, else_: str) -> str:
    """The content of the file at `path`, the value of the option `key`, which may also be `else_`."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"'{key}' is neither {else_} nor a readable file: {error}") from None


def check_object(value: Any) -> dict[str, Any]:
    """`value`; raises TypeError unless it is an object."""
    if not isinstance(value, dict):
        raise TypeError(f"it is of type {type(value).__name__}")
    return value


def write_private_file(directory: Path, name: str, text: str) -> str:
    """Writes a new file that only its owner can read, as it may hold secrets; returns its path."""
    path = directory / name
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def open_regular_file(path: Path) -> IO[bytes]:
    """A file that another program may have replaced by anything, open to be read.

    Raises:
        OSError: it cannot be opened, or is a pipe, a directory or the like.
    """
    file = open_without_waiting(path)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "not a regular file")
