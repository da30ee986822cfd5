"""How large a program's state may be: it becomes a bookmark."""

from __future__ import annotations

import re

from app.domain.errors import ConfigurationError

_LONGEST_STATE_MEGABYTES = 16
_DEEPEST_STATE = 100
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def check_state(value: bytes, *, program: str) -> None:
    """It travels to the worker and into each destination, in ways that have limits of their own.

    Raises:
        ConfigurationError: the JSON text `value`, which `program` sent, is too long, nested too deep, or no text.
    """
    if len(value) > _LONGEST_STATE_MEGABYTES << 20:
        raise ConfigurationError(f"{program} sent a STATE of more than {_LONGEST_STATE_MEGABYTES} MB")
    try:
        value.decode()
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{program} sent a STATE that is not UTF-8: {error}") from None
    brackets = value.count(b"[") + value.count(b"{")
    if brackets > _DEEPEST_STATE and _depth(value) > _DEEPEST_STATE:
        raise ConfigurationError(f"{program} sent a STATE with more than {_DEEPEST_STATE} levels")


def _depth(value: bytes) -> int:
    depth = deepest = 0
    for bracket in _STRING.sub(b"", value).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest
