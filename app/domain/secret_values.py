"""Finds the secret values of a configuration: by the name of their key, or within a text."""

from __future__ import annotations

import contextlib
import json
import shlex
from typing import TYPE_CHECKING, Any

from app.domain.secret_names import is_ordinary_name, is_secret_name, is_secret_option
from app.domain.secret_texts import secrets_in_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST_RENEWED = 8
_COOKIE_HEADERS = ("cookie", "set-cookie")
SHORTEST_SECRET = 4
"""In characters. Shorter ones would be redacted within ordinary words."""


def secrets_in(value: Any, *, secret: bool = False) -> frozenset[str]:
    """The secrets anywhere in `value`: in mappings, lists, commands, URLs, connection strings and JSON strings.

    With `secret`, all strings in `value` are secrets, except those below ordinary names such as `type`.
    """
    return frozenset(text for text in _walk(value, secret=secret) if len(text) >= SHORTEST_SECRET)


def renewed_secrets(config: Any, written: Any) -> frozenset[str]:
    """The secrets of a configuration that a program has made of the `written` one.

    A text that it has replaced by another may be a credential, whatever its name is, unless it is as short as a word.
    """
    return secrets_in(config) | {text for text in _replaced(config, written) if len(text) >= _SHORTEST_RENEWED}


def _replaced(value: Any, written: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(written, dict):
        for key in value.keys() & written.keys():
            if not is_ordinary_name(str(key)):
                yield from _replaced(value[key], written[key])
    elif isinstance(value, list) and isinstance(written, list):
        for inner, before in zip(value, written, strict=False):
            yield from _replaced(inner, before)
    elif isinstance(value, str) and value != written:
        yield value


def _walk(value: Any, *, secret: bool, keys_of_rows: bool = False) -> Iterator[str]:
    """With `keys_of_rows`, what is named `key` is the name of a column."""
    if isinstance(value, dict):
        keys_of_rows |= value.get("type") == "sql"
        for key, inner in value.items():
            name = str(key)
            if not (keys_of_rows and name == "key"):
                hidden = is_secret_name(name) or (secret and not is_ordinary_name(name))
                yield from _walk(inner, secret=hidden, keys_of_rows=keys_of_rows)
            if name.lower() in _COOKIE_HEADERS and isinstance(inner, str):
                # Each cookie by itself too: a server may quote one of them.
                yield from secrets_in_text(f"{name}: {inner}")
    elif isinstance(value, list):
        yield from _in_words(value)
        for before, inner in zip([None, *value], value, strict=False):
            yield from _walk(inner, secret=secret or _is_of_option(before, inner), keys_of_rows=keys_of_rows)
    elif isinstance(value, str):
        yield from _walk_text(value, secret=secret)
    elif secret and isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _in_words(words: list[Any]) -> Iterator[str]:
    """Of a command in words: its login may be a word of its own."""
    if words and isinstance(words[0], str) and words[0].endswith("curl"):
        yield from secrets_in_text(shlex.join(word for word in words if isinstance(word, str)))


def _is_of_option(before: Any, value: Any) -> bool:
    """Whether `value` follows `before` as in `--password`, `…` among a command's arguments."""
    return isinstance(before, str) and isinstance(value, str) and not value.startswith("-") and is_secret_option(before)


def _walk_text(text: str, *, secret: bool) -> Iterator[str]:
    if secret:
        yield text
    yield from secrets_in_text(text)
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            yield from list(_walk(json.loads(text), secret=secret))
