r"""Lines of text: a line ends with `\n` or `\r\n` and with nothing else.

`str.splitlines` also ends lines at a form feed, at U+0085, at U+2028 and at others, which are ordinary characters of
messages and of JSON.
"""

from __future__ import annotations

from typing import AnyStr, Generic


def split_lines(text: str) -> list[str]:
    """The lines of a whole text, without their line breaks; none of an empty text."""
    *lines, last = text.split("\n")
    return [line.removesuffix("\r") for line in (*lines, *([last] if last else []))]


class LineSplitter(Generic[AnyStr]):
    r"""Splits at newlines, which are removed. `newline` is `b"\n"` or `"\n"`, the same type as the pieces.

    An incomplete line is kept in memory. If a line may never end, check `length` after each piece, and give up or call
    `cut`.
    """

    def __init__(self, newline: AnyStr) -> None:
        self._newline: AnyStr = newline
        self._begun: list[AnyStr] = []
        self.length = 0
        """The length of the incomplete line, in bytes or characters."""

    def feed(self, piece: AnyStr) -> list[AnyStr]:
        """Return the lines that end in `piece`."""
        lines: list[AnyStr] = piece.split(self._newline)
        rest = lines.pop()
        if lines and self._begun:
            lines[0] = self.take() + lines[0]
        if rest:
            self._begun.append(rest)
            self.length += len(rest)
        return lines

    def take(self) -> AnyStr:
        """Remove and return the incomplete line."""
        begun: AnyStr = self._newline[:0].join(self._begun)
        self._begun.clear()
        self.length = 0
        return begun

    def beginning(self, length: int) -> AnyStr:
        """The first `length` bytes or characters of the incomplete line."""
        begun: AnyStr = self._newline[:0]
        for piece in self._begun:
            if len(begun) >= length:
                break
            begun += piece
        return begun[:length]

    def cut(self, length: int) -> None:
        """Drop everything after the first `length` bytes or characters of the incomplete line."""
        if self.length > length:
            self._begun = [self.beginning(length)]
            self.length = length
