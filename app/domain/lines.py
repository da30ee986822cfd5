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
    r"""Splits at newlines; lines have none at their end. `newline` is `b"\n"` or `"\n"`, of the type of the pieces.

    The line that has begun and not ended is kept whole: who reads a stream that may never end one looks at `length`
    after each piece, and gives up or calls `cut`.
    """

    def __init__(self, newline: AnyStr) -> None:
        self._newline: AnyStr = newline
        self._begun: list[AnyStr] = []
        self.length = 0
        """Of what has come after the last newline, in bytes or characters."""

    def feed(self, piece: AnyStr) -> list[AnyStr]:
        """The lines that end in `piece`."""
        lines: list[AnyStr] = piece.split(self._newline)
        rest = lines.pop()
        if lines and self._begun:
            lines[0] = self.take() + lines[0]
        if rest:
            self._begun.append(rest)
            self.length += len(rest)
        return lines

    def take(self) -> AnyStr:
        """What has come after the last newline, which is forgotten."""
        begun: AnyStr = self._newline[:0].join(self._begun)
        self._begun.clear()
        self.length = 0
        return begun

    def beginning(self, length: int) -> AnyStr:
        """The first `length` of what has come after the last newline, or all of it."""
        begun: AnyStr = self._newline[:0]
        for piece in self._begun:
            if len(begun) >= length:
                break
            begun += piece
        return begun[:length]

    def cut(self, length: int) -> None:
        """Forgets all but the first `length` of what has come after the last newline."""
        if self.length > length:
            self._begun = [self.beginning(length)]
            self.length = length
