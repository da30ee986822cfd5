"""Finds the secret values of a configuration: by the name of their key, or as a password in a URL."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from app.domain.signed_urls import signing_values

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_SECRET = 4
"""In characters. Shorter ones would be redacted within ordinary words."""

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|(^|_)(pwd|pass|pat|dsn|auth|authorization|bearer|signature|sig)($|_)"
    r"|secret|token|credential|connection_string|(^|_)keys?($|_)|(api|private|access|account)key",
)
_ORDINARY_NAME = re.compile(
    r"^(primary|foreign|partition|cluster|sort|merge|replication|cursor|unique|dedup\w*|natural|composite)_keys?(_|$)"
    r"|^key_(properties|fields?|columns?|file|path|prefix)$|_(type|url|uri|method|file|path|expiry|expires?\w*)$|^type$"
    r"|max_tokens|token_(count|limit)|page_token_option",
)
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# "password" itself is the word of our own examples.
_USERINFO = re.compile(r"://[^/\s:@]*:(?!password@)([^/\s@]+)@")
# Of each URL in a longer text.
_QUERY = re.compile(r"""\?([^\s"'<>?]+)""")
_KEYWORD_PASSWORD = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether a key or variable with this name contains a secret."""
    plain = _CAMEL_HUMP.sub("_", name).replace("-", "_").replace(" ", "_").lower()
    return "webhook" in plain or (bool(_SECRET_NAME.search(plain)) and not _ORDINARY_NAME.search(plain))


def secrets_in(value: Any, *, secret: bool = False) -> frozenset[str]:
    """The secrets anywhere in `value`: in mappings, lists, URLs, libpq's `password=…` and JSON strings.

    With `secret`, all strings in `value` are secrets, except those below ordinary names such as `type`.
    """
    return frozenset(text for text in _walk(value, secret=secret) if len(text) >= SHORTEST_SECRET)


def _walk(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            name = str(key)
            yield from _walk(inner, secret=is_secret_name(name) or (secret and not _ORDINARY_NAME.search(name)))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, secret=secret)
    elif isinstance(value, str):
        yield from _walk_text(value, secret=secret)
    elif secret and isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _walk_text(text: str, *, secret: bool) -> Iterator[str]:
    if secret:
        yield text
    if "://" in text:
        yield from _url_secrets(text)
    for quoted, plain in _KEYWORD_PASSWORD.findall(text):
        yield quoted or plain
    if text.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            yield from list(_walk(json.loads(text), secret=secret))


def _url_secrets(text: str) -> Iterator[str]:
    # Also of a URL inside a longer text, such as an option of pip.
    for password in _USERINFO.findall(text):
        yield password
        yield unquote(password)
    try:
        url = urlsplit(text)
        password = url.password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
    for query in (url.query, *_QUERY.findall(text)):
        fields = parse_qsl(query)
        yield from (value for name, value in fields if is_secret_name(name))
        yield from signing_values(fields)
