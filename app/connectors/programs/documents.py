"""Objects of JSON that a program gets: written out in the catalogue, as text, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError


def document(given: dict[str, Any] | str, key: str) -> dict[str, Any]:
    """An object that is written out, in JSON text, or in the file of that path.

    Raises:
        ConfigurationError: it is none of them; `key` is the option to name.
    """
    if isinstance(given, dict):
        return given
    text = given if given.lstrip().startswith("{") else text_of(given, key, "a JSON object")
    try:
        return object_of(jsontext.decode(text))
    except (msgspec.MsgspecError, TypeError) as error:
        raise ConfigurationError(f"'{key}' is not a JSON object: {error}") from None


def text_of(path: str, key: str, else_: str) -> str:
    """What the file at `path` holds, which the option `key` names; `else_` is what may stand there instead."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"'{key}' is neither {else_} nor a readable file: {error}") from None


def object_of(value: Any) -> dict[str, Any]:
    """`value`, which is an object; raises TypeError if it is something else."""
    if not isinstance(value, dict):
        raise TypeError(f"it is of type {type(value).__name__}")
    return value


def written(directory: Path, name: str, text: str) -> str:
    """The path of a new file with `text`, readable by its owner only: it may hold secrets."""
    path = directory / name
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)
