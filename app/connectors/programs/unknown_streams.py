"""Streams that a program sends although its catalog does not have them: mostly wanted ones under another name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.connectors.programs.excerpts import join_names
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHOWN: Final = 5
_SEPARATORS: Final = re.compile(r"[-./]")


class UnknownStreams:
    """Which unknown streams came, and which wanted streams have had no records so far."""

    def __init__(self, wanted: Iterable[str], *, program: str) -> None:
        self._lacking = dict.fromkeys(wanted)
        self._proven: set[str] = set()
        self._came: dict[str, None] = {}
        self._program = program

    def __bool__(self) -> bool:
        """Whether wanted rows may have been left out, so that no bookmark may cover them."""
        return any(self._lost())

    def note_unknown(self, stream: str) -> None:
        """Notes records of `stream`, which is in no catalog."""
        self._came[stream] = None

    def note_wanted(self, wanted: str) -> None:
        """Notes records of a wanted stream."""
        self._lacking.pop(wanted, None)

    def note_named(self, wanted: str) -> None:
        """Notes that the program uses this name for a wanted stream: only a similar name can still mean it."""
        self._proven.add(wanted)

    def _lost(self) -> Iterator[tuple[str, str]]:
        """Each unknown stream that came, with a wanted one that it may be."""
        for came in self._came:
            for wanted in self._lacking:
                if wanted not in self._proven or _plain(came) == _plain(wanted):
                    yield came, wanted

    def resembles(self, stream: str) -> bool:
        """Whether `stream` may be a wanted stream without records, with its name spelled differently."""
        return any(_plain(stream) == _plain(wanted) for wanted in self._lacking)

    def refuse(self, *, may_be_outdated: bool) -> None:
        """Called at the end. If the catalog `may_be_outdated`, the next attempt discovers it again.

        Raises:
            SynclineError: rows would be lost.
            ConfigurationError: the same, and a retry would not help.
        """
        lost = list(self._lost())
        if not lost:
            return
        differences = [
            f" {came!r} and {wanted!r} differ only in {_difference(came, wanted)}."
            for came, wanted in lost
            if _plain(came) == _plain(wanted)
        ]
        came, wanted = (dict.fromkeys(names) for names in zip(*lost, strict=True))
        program = self._program
        what = (
            f"{program} sent records of {join_names(came, limit=_SHOWN)}, which its catalog does not have, and none of "
            f"{join_names(wanted, limit=_SHOWN)}, which the collection needs; they would be lost."
            f"{''.join(differences[:_SHOWN])} "
            f"Set 'catalog' to one with the stream names that {program} uses, and set the collection's 'type' to one "
            "of these names"
        )
        raise (SynclineError if may_be_outdated else ConfigurationError)(what)


def _plain(stream: str) -> str:
    return _bare(stream).casefold()


def _bare(stream: str) -> str:
    """The name without its namespace."""
    return _SEPARATORS.split(stream)[-1]


def _difference(one: str, other: str) -> str:
    if one.casefold() == other.casefold():
        return "case"
    return "the namespace" if _bare(one) == _bare(other) else "the namespace and case"
