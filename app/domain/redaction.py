"""Secrets out of texts: events are kept for ever, so a log line is redacted before it becomes one."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from app.domain.secret_values import SHORTEST_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REDACTED: Final = "***"

# Bits of a byte, and of a character of Base64 (RFC 4648).
_BYTE: Final = 8
_SEXTET: Final = 6
_URL_SAFE: Final = str.maketrans("+/", "-_")


class Redactor:
    """Replaces every secret that it was made with by `***`.

    It knows a secret also as JSON, URLs and Base64 write it, alone or within a longer text such as `user:password`, and
    each line of a secret of several lines (a PEM key), because logs come line by line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET}
        by_first: dict[str, list[str]] = {}
        # The longest first: a secret that begins with another one is replaced whole.
        for form in sorted(forms, key=lambda form: (-len(form), form)):
            for first, rest in _patterns(form):
                by_first.setdefault(first, []).append(rest)
        # Alternatives by their first character, which Python looks for very fast: most of a text begins no secret.
        alternatives = [f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in sorted(by_first.items())]
        self._pattern = re.compile("|".join(alternatives)) if alternatives else None

    def redact(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text


@lru_cache(maxsize=2)
def redactor_of(secrets: frozenset[str]) -> Redactor:
    """The redactor of these secrets, kept: making it takes most of a second where there are a thousand."""
    return Redactor(secrets)


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
    """The whole, and what stands for the secret within the Base64 of a longer text.

    There are three such forms: three bytes become four characters, so it matters how many come before. Those at the
    ends that stand for parts of a neighbour as well differ each time, and are left out.
    """
    yield b64encode(secret).decode()
    for before in range(3):
        encoded = b64encode(bytes(before) + secret).decode()
        begin = -(-before * _BYTE // _SEXTET)
        yield encoded[begin : (before + len(secret)) * _BYTE // _SEXTET]


def _patterns(form: str) -> Iterator[tuple[str, str]]:
    """(the first character, a pattern for the rest) for `form`, whatever part of it is percent-encoded, RFC 3986."""
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
    """Nobody encodes letters and digits."""
    return character.isascii() and character.isalnum()


def _percent_encoded(character: str) -> str:
    """A pattern for its bytes in UTF-8, in digits of either case."""
    digits = character.encode("utf-8", errors="surrogatepass").hex()
    either = [f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits]
    return "".join(f"%{high}{low}" for high, low in zip(either[::2], either[1::2], strict=True))
