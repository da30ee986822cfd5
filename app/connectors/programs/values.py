"""How many values a message of a program may have: in memory they take much more than as text."""

from __future__ import annotations

import re

from app.domain.errors import ConfigurationError

# A value of two bytes takes up to a hundred as an object: so many fit beside all else into what an attempt may take.
_MOST_VALUES = 250_000
_FEW_BYTES = 2 * _MOST_VALUES
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def check_values(line: bytes, *, program: str) -> None:
    """For a short line this costs nothing.

    Raises:
        ConfigurationError: the JSON text `line`, which `program` sent, has too many values.
    """
    if len(line) > _FEW_BYTES and _separators(line, 0, len(line)) > _MOST_VALUES and _has_too_many(line):
        raise ConfigurationError(f"{program} sent a message of more than {_MOST_VALUES:,} values")


def _has_too_many(line: bytes) -> bool:
    """String by string, for nothing may be made of them: a list of all pieces would be what is to be avoided."""
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
