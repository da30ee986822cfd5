"""Text as a log keeps it: whole lines, valid UTF-8 without NUL, at most 16 KB, every cut marked."""

from __future__ import annotations

from typing import Final

LONGEST_TEXT: Final = 16 * 1024


def fit(text: str) -> str:
    """A message as PostgreSQL can keep it; what cannot be kept becomes replacement characters."""
    raw = text.replace("\0", "\ufffd").encode("utf-8", errors="replace")
    return _cut(raw, len(raw))


def _cut(raw: bytes, length: int) -> str:
    if length <= LONGEST_TEXT:
        return raw.decode("utf-8", errors="replace")
    mark = f"… [cut: {length} bytes in all]"
    return raw[: LONGEST_TEXT - len(mark.encode())].decode("utf-8", errors="ignore") + mark


class LineSplitter:
    """Bytes into lines of text. Of an overlong line the beginning is kept and the rest only counted."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._length = 0

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
        return self._take() if self._length else ""

    def _add(self, part: bytes) -> None:
        self._kept += part[: LONGEST_TEXT - len(self._kept)]
        self._length += len(part)

    def _take(self) -> str:
        text = _cut(bytes(self._kept), self._length).removesuffix("\r")
        self._kept.clear()
        self._length = 0
        return text
