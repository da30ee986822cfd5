"""Looks at the beginning of a stream without losing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.connectors.sources.files.storage import Readable


def beginning_of(stream: Readable, size: int) -> bytes:
    """The first `size` bytes; fewer only if there are no more."""
    found = b""
    while len(found) < size and (piece := stream.read(size - len(found))):
        found += piece
    return found


class Joined:
    """A stream of `beginning` and what `rest` has left."""

    def __init__(self, beginning: bytes, rest: Readable) -> None:
        self._beginning = beginning
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._beginning:
            return self._rest.read(size)
        end = len(self._beginning) if size < 0 else size
        piece, self._beginning = self._beginning[:end], self._beginning[end:]
        return piece
