"""Texts as they are stored in logs: whole lines, valid UTF-8 without NUL, at most 16 KiB; cuts are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain.lines import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_TEXT: Final = 16 * 1024
_MARK: Final = f"… [cut: longer than {LONGEST_TEXT} bytes]"
_MOST_KEPT: Final = 2 * LONGEST_TEXT


def clean(text: str, redact: Callable[[str], str]) -> str:
    """Remove secrets, replace characters that PostgreSQL cannot store, and cut the text to the longest length."""
    text = redact(text)
    if text.isascii() and len(text) <= LONGEST_TEXT and "\0" not in text:
        return text
    raw = text.replace("\0", "\ufffd").encode("utf-8", errors="replace")
    if len(raw) <= LONGEST_TEXT:
        return raw.decode()
    return raw[: LONGEST_TEXT - len(_MARK.encode())].decode("utf-8", errors="ignore") + _MARK


def clean_all(texts: Sequence[str], redact: Callable[[str], str]) -> list[str]:
    """Apply `clean` to each text, in one pass over all of them if possible.

    If a secret matched across two texts, there are fewer separators afterwards; then each text is cleaned by itself.
    """
    breaks, together = len(texts) - 1, "\0".join(texts)
    if breaks > 0 and together.isascii() and together.count("\0") == breaks:
        cleaned = redact(together).split("\0")
        if len(cleaned) == len(texts) and max(map(len, cleaned)) <= LONGEST_TEXT and all(map(str.isascii, cleaned)):
            return cleaned
    return [clean(text, redact) for text in texts]


class TextLines:
    """Splits bytes into lines of text. A very long line is cut to more than what `clean` leaves of it.

    `clean` cuts to the final length after redaction, because half a secret is not recognised.
    """

    def __init__(self) -> None:
        self._splitter = LineSplitter(b"\n")

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are complete now."""
        lines = [_text(line) for line in self._splitter.feed(chunk)]
        self._splitter.cut(_MOST_KEPT)
        return lines

    def rest(self) -> str:
        """Return what came after the last newline."""
        return _text(self._splitter.take())


def _text(line: bytes) -> str:
    return line[:_MOST_KEPT].decode("utf-8", errors="replace").removesuffix("\r")
