"""Finds the secrets within a longer text, such as a command, a connection string or a URL in a sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from app.domain.secret_names import is_secret_name
from app.domain.signed_urls import signing_values

if TYPE_CHECKING:
    from collections.abc import Iterator

# Patterns begin where no name can be under way, so that a long text takes linear time.
_START: Final = r"(?<![\w.+-])"
_QUOTED: Final = r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'"""
# Up to the last `@`, as servers read it; and up to the first one, because an address in a query may have the last.
_LOGIN: Final = re.compile(_START + r"""([A-Za-z][\w+.-]*)://([^/\s?#"<>]*)@""")
_PASSWORD: Final = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_QUERY: Final = re.compile(r"""[?#]([^\s"'<>?#]+)""")
_PAIR: Final = re.compile(_START + rf"-{{0,2}}([A-Za-z_][\w.-]*)=(?!=)(?:{_QUOTED}|\{{([^}}]*)\}}|([^\s;&]+))")
_SPACED_PASSWORD: Final = re.compile(r"\bpassword\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s;&]+))", re.IGNORECASE)
_OPTION: Final = re.compile(_START + rf"--?([A-Za-z][\w-]*)\s+(?:{_QUOTED}|([^\s\"'-]\S*))")
_QUOTED_PAIR: Final = re.compile(rf"""["']([\w .-]{{1,80}})["']\s*:\s*(?:{_QUOTED})""")
_HEADER: Final = re.compile(
    _START + r"""((?:[a-z]+-)+[a-z]+|authorization)\s*:\s*(?:(?:bearer|basic|token)\s+)?([^\s"',;]+)""", re.IGNORECASE
)
_COOKIES: Final = re.compile(_START + r"""(?:set-)?cookie2?\s*:([^"'\r\n]+)""", re.IGNORECASE)
_COOKIE: Final = re.compile(r"[^\s;=]+=([^\s;]+)")
# Bounded, to take linear time. Other programs mean something else by `-u`, such as the user and group of Docker.
_CURL_LOGIN: Final = re.compile(
    r"""(?<![\w-])(?:-[A-Za-z]{0,8}[uU]\s{0,8}|--(?:proxy-)?user[\s=]{1,8})"""
    r"""(?:"[^":]{0,200}:([^"]+)"|'[^':]{0,200}:([^']+)'|[^\s:"']{1,200}:([^\s"']+))"""
)
# Words such as "bearer authentication" have no digits.
_BEARER: Final = re.compile(r"\b(?:bearer|basic)\s+(?=\S*\d|\S{20})([\w.~+/=-]{8,})", re.IGNORECASE)
_AFTER_VALUE: Final = re.compile(r"""[,)\]}>'"]""")

_TOKEN_SCHEME: Final = re.compile(r"((git|hg|svn|bzr)\+)?https?", re.IGNORECASE)
_SHORTEST_TOKEN: Final = 8
_USERS: Final = frozenset({"x-access-token", "x-token-auth", "anonymous", "username"})
_NO_PASSWORD: Final = "x-oauth-basic"  # noqa: S105 -- what GitHub wants in its place
_EXAMPLE: Final = "password"
"""Of a URL in a sentence, which is then one of our own."""
_ORDINARY_VALUES: Final = frozenset({"true", "false", "null", "none"})
_BARE_KEY: Final = re.compile(r"(\w+\.)?keys?", re.IGNORECASE)


def secrets_in_text(text: str) -> Iterator[str]:
    """Logins and parameters of URLs, `name=value`, `--name value`, and headers, wherever they are in `text`."""
    if "://" in text:
        yield from _in_logins(text)
    if "=" in text:
        yield from _in_queries(text)
        yield from _in_pairs(text)
        yield from _in_connection_string(text)
    if "-" in text:
        yield from _in_values(_OPTION, text)
    if ":" in text:
        yield from _in_values(_QUOTED_PAIR, text)
        yield from _in_values(_HEADER, text)
        yield from _in_cookies(text)
        yield from _in_logins_of_curl(text)
    yield from _BEARER.findall(text)


def _in_logins(text: str) -> Iterator[str]:
    found = [secret for scheme, login in _LOGIN.findall(text) for secret in _of_login(scheme, login)]
    for secret in (*found, *_PASSWORD.findall(text)):
        if secret != _NO_PASSWORD and not (secret == _EXAMPLE and " " in text):
            yield secret
            yield unquote(secret)


def _of_login(scheme: str, login: str) -> Iterator[str]:
    user, _, password = login.partition(":")
    if is_token_login(scheme, login):
        yield user
    elif password not in ("", _NO_PASSWORD):
        yield password


def is_token_login(scheme: str, login: str) -> bool:
    """Whether the user of a URL's `login` is a token, as at GitHub; at a database, it is only a name."""
    user, _, password = login.partition(":")
    return (
        password in ("", _NO_PASSWORD)
        and bool(_TOKEN_SCHEME.fullmatch(scheme))
        and len(user) >= _SHORTEST_TOKEN
        and user not in _USERS
        and "@" not in unquote(user)
    )


def _in_cookies(text: str) -> Iterator[str]:
    for cookies in _COOKIES.findall(text):
        yield from _COOKIE.findall(cookies)


def _in_logins_of_curl(text: str) -> Iterator[str]:
    if "curl" in text:
        for forms in _CURL_LOGIN.findall(text):
            yield "".join(forms)


def _in_queries(text: str) -> Iterator[str]:
    for query in _QUERY.findall(text):
        fields = parse_qsl(query)
        yield from (value for name, value in fields if is_secret_name(name))
        yield from signing_values(fields)


def _in_pairs(text: str) -> Iterator[str]:
    yield from _in_values(_PAIR, text)
    for quoted, plain in _SPACED_PASSWORD.findall(text):
        yield from _named("password", quoted or plain)


def _in_connection_string(text: str) -> Iterator[str]:
    """Of `Server=h;Shared Access Key=…`, where names and values may have blanks."""
    pairs = [part.partition("=") for part in text.strip().rstrip(";").split(";")]
    if len(pairs) > 1 and all(re.fullmatch(r"[\w .-]+", name) for name, _, _ in pairs):
        for name, _, value in pairs:
            yield from _named(name.strip(), value.strip())


def _in_values(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    """Of a pattern whose first group is the name, and whose others are forms of the value."""
    for name, *forms in pattern.findall(text):
        yield from _named(name, "".join(forms))


def _named(name: str, value: str) -> Iterator[str]:
    # A bare `key` is as often the key of a row; in a URL and as a key of the catalogue it is a secret.
    if is_secret_name(name) and not _BARE_KEY.fullmatch(name) and value.lower() not in _ORDINARY_VALUES:
        yield value
        yield _AFTER_VALUE.split(value)[0]
