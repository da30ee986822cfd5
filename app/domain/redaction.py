"""Removes secrets from texts. Log lines are redacted before they are stored."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from app.domain.secret_values import SHORTEST_SECRET, secrets_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

REDACTED: Final = "***"

_LONGEST_WORD: Final = 12

# Bits of a byte, and of a character of Base64 (RFC 4648).
_BYTE: Final = 8
_SEXTET: Final = 6
_URL_SAFE: Final = str.maketrans("+/", "-_")


class Redactor:
    """Replaces secrets with `***`.

    It also recognises secrets that are encoded as JSON, in URLs or as Base64, also within a longer text such as
    `user:password`, and each line of a secret with several lines (a PEM key), because logs are redacted by line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET}
        no_words = {form for form in forms if not (form.isalpha() and len(form) <= _LONGEST_WORD)}
        self._pattern = _pattern(forms)
        self._pattern_in_names = self._pattern if no_words == forms else _pattern(no_words)

    def redact(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def redact_name(self, text: str) -> str:
        """The same for names, and what else people must recognise: a secret that is a word may be in it by chance."""
        return self._pattern_in_names.sub(REDACTED, text) if self._pattern_in_names else text


def mask_secrets(text: str) -> str:
    """`text` without the secrets that it shows by their place or name, such as those of a URL."""
    return Redactor(secrets_in(text)).redact(text)


def redact_json(value: Any, redact: Callable[[str], str]) -> Any:
    """A JSON value with `redact` applied to every text in it, keys and numbers included; what it changes is text."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(key): redact_json(inner, redact) for key, inner in value.items()}
        case list():
            return [redact_json(inner, redact) for inner in value]
        case None | bool():
            return value
        case _:
            text = str(value)
            return value if (shown := redact(text)) == text else shown


@lru_cache(maxsize=2)
def redactor_of(secrets: frozenset[str]) -> Redactor:
    """The redactor for these secrets; cached, because with a thousand secrets it takes most of a second to make."""
    return Redactor(secrets)


def _pattern(forms: Iterable[str]) -> re.Pattern[str] | None:
    by_first: dict[str, list[str]] = {}
    # Longest first, so that a secret that begins with another one is replaced completely.
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        for first, rest in _patterns(form):
            by_first.setdefault(first, []).append(rest)
    # Alternatives grouped by first character, which Python finds very fast; most characters do not start a secret.
    alternatives = [f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in sorted(by_first.items())]
    return re.compile("|".join(alternatives)) if alternatives else None


def _forms(secret: str) -> Iterator[str]:
    for text in (secret, *_lines(secret)):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
    for encoded in _in_base64(secret.encode("utf-8", errors="surrogatepass")):
        yield encoded
        yield encoded.translate(_URL_SAFE)


def _lines(secret: str) -> list[str]:
    # At every line break that Python knows, because programs that indent or wrap text do it at any of them.
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if line and not line.startswith("-----")] if len(lines) > 1 else []


def _in_base64(secret: bytes) -> Iterator[str]:
    """The secret in Base64, and as a part of a longer text in Base64.

    As a part, it has three forms: three bytes become four characters, so the number of bytes before it matters.
    Characters at both ends that also encode bits of a neighbour vary, and are left out.
    """
    yield b64encode(secret).decode()
    for before in range(3):
        encoded = b64encode(bytes(before) + secret).decode()
        begin = -(-before * _BYTE // _SEXTET)
        yield encoded[begin : (before + len(secret)) * _BYTE // _SEXTET]


def _patterns(form: str) -> Iterator[tuple[str, str]]:
    """(first character, pattern of the rest) for `form`, any part of which may be percent-encoded (RFC 3986)."""
    rest = "".join(map(_character, form[1:]))
    yield form[0], rest
    if not _stays(form[0]):
        yield "%", _percent_encoded(form[0])[1:] + rest
    if form[0] == " ":
        yield "+", rest


def _character(character: str) -> str:
    if _stays(character):
        return character
    plus = r"|\+" if character == " " else ""
    return f"(?:{re.escape(character)}|{_percent_encoded(character)}{plus})"


def _stays(character: str) -> bool:
    """Whether the character is never percent-encoded: letters and digits."""
    return character.isascii() and character.isalnum()


def _percent_encoded(character: str) -> str:
    """A pattern for the percent-encoded UTF-8 bytes, with hexadecimal digits in either case."""
    digits = character.encode("utf-8", errors="surrogatepass").hex()
    either = [f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits]
    return "".join(f"%{high}{low}" for high, low in zip(either[::2], either[1::2], strict=True))
