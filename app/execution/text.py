"""Text as a log keeps it: whole lines, valid UTF-8 without NUL, at most 16 KB, every cut marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LONGEST_TEXT: Final = 16 * 1024
_MARK: Final = f"… [cut: longer than {LONGEST_TEXT} bytes]"
_MOST_KEPT: Final = 2 * LONGEST_TEXT


def clean(text: str, redact: Callable[[str], str]) -> str:
    """A text fit to be kept for ever: without secrets, without what PostgreSQL cannot hold, not too long.

    What cannot be kept becomes replacement characters.
    """
    text = redact(text)
    if text.isascii() and len(text) <= LONGEST_TEXT and "\0" not in text:
        return text
    raw = text.replace("\0", "\ufffd").encode("utf-8", errors="replace")
    if len(raw) <= LONGEST_TEXT:
        return raw.decode()
    return raw[: LONGEST_TEXT - len(_MARK.encode())].decode("utf-8", errors="ignore") + _MARK


def clean_all(texts: Sequence[str], redact: Callable[[str], str]) -> list[str]:
    """Each text as `clean` has it.

    All in one pass where that is the same: `redact` replaces what it finds wherever it stands. Where a match reached
    across two texts the breaks are fewer, and each is cleaned by itself.
    """
    breaks, together = len(texts) - 1, "\0".join(texts)
    if breaks > 0 and together.isascii() and together.count("\0") == breaks:
        cleaned = redact(together).split("\0")
        if len(cleaned) == len(texts) and max(map(len, cleaned)) <= LONGEST_TEXT and all(map(str.isascii, cleaned)):
            return cleaned
    return [clean(text, redact) for text in texts]


class LineSplitter:
    """Bytes into lines of text. Of an endless line the beginning is kept: more than `clean` leaves of it.

    The cut comes after the redaction: it could halve a secret, and half a secret is not recognised.
    """

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are complete now."""
        *ended, last = chunk.split(b"\n")
        lines = []
        for part in ended:
            self._add(part)
            lines.append(self._take())
        self._add(last)
        return lines

    def rest(self) -> str:
        """What came after the last newline."""
        return self._take() if self._kept else ""

    def _add(self, part: bytes) -> None:
        self._kept += part[: _MOST_KEPT - len(self._kept)]

    def _take(self) -> str:
        text = self._kept.decode("utf-8", errors="replace").removesuffix("\r")
        self._kept.clear()
        return text
