"""How large a program's messages and states may be."""

from __future__ import annotations

import re
from typing import Final

from app.domain.errors import ConfigurationError

# A value of two bytes takes up to a hundred as an object: an attempt's memory has room for this many.
_MOST_VALUES: Final = 250_000
_FEW_BYTES: Final = 2 * _MOST_VALUES
_LONGEST_STATE_MEGABYTES: Final = 16
_DEEPEST_STATE: Final = 100
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def check_values(line: bytes, *, program: str) -> None:
    """Limits the number of values in a message, which take much more memory than their text. Cheap for a short line.

    Raises:
        ConfigurationError: the JSON text `line`, which `program` sent, has too many values.
    """
    if len(line) > _FEW_BYTES and _separators(line, 0, len(line)) > _MOST_VALUES and _has_too_many(line):
        raise ConfigurationError(f"{program} sent a message with more than {_MOST_VALUES:,} values")


def check_state(value: bytes, *, program: str) -> None:
    """Limits a state, which becomes a bookmark: the worker and the destinations that get it have limits of their own.

    Raises:
        ConfigurationError: the JSON text `value`, which `program` sent, is too long, nested too deep, or not UTF-8.
    """
    if len(value) > _LONGEST_STATE_MEGABYTES << 20:
        raise ConfigurationError(f"{program} sent a STATE of more than {_LONGEST_STATE_MEGABYTES} MiB")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{program} sent a STATE that is not UTF-8: {error}") from None
    brackets = value.count(b"[") + value.count(b"{")
    if brackets > _DEEPEST_STATE and _depth(value) > _DEEPEST_STATE:
        raise ConfigurationError(f"{program} sent a STATE that is nested more than {_DEEPEST_STATE} levels deep")


def _has_too_many(line: bytes) -> bool:
    """Counts string by string: a list of all the pieces would take the memory that this check is to save."""
    outside, end = 0, 0
    for string in _STRING.finditer(line):
        outside += _separators(line, end, string.start())
        end = string.end()
        if outside > _MOST_VALUES:
            return True
    return outside + _separators(line, end, len(line)) > _MOST_VALUES


def _separators(text: bytes, begin: int, end: int) -> int:
    """Each value has one before it."""
    return text.count(b",", begin, end) + text.count(b"[", begin, end) + text.count(b"{", begin, end)


def _depth(value: bytes) -> int:
    depth = deepest = 0
    for bracket in _STRING.sub(b"", value).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
