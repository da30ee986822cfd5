"""Texts as they are stored in logs: whole lines, valid UTF-8, at most 16 KiB; cuts are marked.

They hold no commands for a terminal, such as those that hide or fake lines: colours are left out, others are escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.domain.lines import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_TEXT: Final = 16 * 1024
_MARK: Final = f"… [cut: longer than {LONGEST_TEXT} bytes]"
_MOST_KEPT: Final = 2 * LONGEST_TEXT
# ECMA-48: Select Graphic Rendition.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
# C0 without tab and newline, C1, and the marks that turn the direction of writing.
_COMMAND: Final = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str, redact: Callable[[str], str]) -> str:
    """Remove secrets, escape what PostgreSQL cannot store or a terminal obeys, and cut to the longest length."""
    text = redact(_without_colours(text))
    if _is_plain(text) and len(text) <= LONGEST_TEXT:
        return text
    text = _COMMAND.sub(lambda found: ascii(found[0])[1:-1], text)
    raw = text.replace("\0", "\ufffd").encode("utf-8", errors="replace")
    if len(raw) <= LONGEST_TEXT:
        return raw.decode()
    return raw[: LONGEST_TEXT - len(_MARK.encode())].decode("utf-8", errors="ignore") + _MARK


def clean_all(texts: Sequence[str], redact: Callable[[str], str]) -> list[str]:
    """Apply `clean` to each text, in one pass over all of them if possible.

    If a secret matched across two texts, there are fewer separators afterwards; then each text is cleaned by itself.
    """
    breaks, together = len(texts) - 1, _without_colours("\0".join(texts))
    if breaks > 0 and together.isascii() and together.count("\0") == breaks:
        cleaned = redact(together).split("\0")
        if len(cleaned) == len(texts) and max(map(len, cleaned)) <= LONGEST_TEXT and all(map(_is_plain, cleaned)):
            return cleaned
    return [clean(text, redact) for text in texts]


def _without_colours(text: str) -> str:
    """Before secrets are looked for: a colour may begin within one."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


class TextLines:
    """Splits bytes into lines of text. A line of more than `longest` bytes is cut to them.

    By default that is more than what `clean` leaves of it, which cuts to the final length after redaction, because half
    a secret is not recognised.
    """

    def __init__(self, *, longest: int = _MOST_KEPT) -> None:
        self._splitter = LineSplitter(b"\n")
        self._longest = longest

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are complete now."""
        lines = [self._text(line) for line in self._splitter.feed(chunk)]
        self._splitter.cut(self._longest)
        return lines

    def rest(self) -> str:
        """Return what came after the last newline."""
        return self._text(self._splitter.take())

    def _text(self, line: bytes) -> str:
        return line[: self._longest].decode("utf-8", errors="replace").removesuffix("\r")
