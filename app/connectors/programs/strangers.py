"""Streams that a program sends although no catalog has them: mostly what is wanted, under another name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHOWN: Final = 5
_SEPARATORS: Final = re.compile(r"[-./]")


class Strangers:
    """What has come of them, and which streams that are wanted have brought no record so far."""

    def __init__(self, wanted: Iterable[str], *, program: str) -> None:
        self._lacking = dict.fromkeys(wanted)
        self._proven: set[str] = set()
        self._came: dict[str, None] = {}
        self._program = program

    def __bool__(self) -> bool:
        """Whether rows that are wanted may have been left out: no bookmark may stand for them."""
        return any(self._lost())

    def came(self, stream: str) -> None:
        """Records of `stream`, which is in no catalog."""
        self._came[stream] = None

    def got(self, wanted: str) -> None:
        """Records of a stream that is wanted."""
        self._lacking.pop(wanted, None)

    def proved(self, wanted: str) -> None:
        """The program calls a stream that is wanted by its name: no other one is that, unless its name is alike."""
        self._proven.add(wanted)

    def _lost(self) -> Iterator[tuple[str, str]]:
        """What came, with that which it may be."""
        for came in self._came:
            for wanted in self._lacking:
                if wanted not in self._proven or _plain(came) == _plain(wanted):
                    yield came, wanted

    def resembles(self, stream: str) -> bool:
        """Whether `stream` may be one of those that have brought none, with its name spelled otherwise."""
        return any(_plain(stream) == _plain(wanted) for wanted in self._lacking)

    def refuse(self, *, may_be_outdated: bool) -> None:
        """At the end. A catalog that `may_be_outdated` is asked for again by the next attempt.

        Raises:
            SynclineError: rows would be lost.
            ConfigurationError: likewise, and trying again would change nothing.
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
            f"{program} sent records of {_listed(came)}, which are not in its catalog, and none of "
            f"{_listed(wanted)}, which the collection needs; they would be lost.{''.join(differences[:_SHOWN])} "
            f"Give a 'catalog' in which the streams have the names that {program} uses, and set the collection's "
            "'type' to such a name"
        )
        raise (SynclineError if may_be_outdated else ConfigurationError)(what)


def _plain(stream: str) -> str:
    return _bare(stream).casefold()


def _bare(stream: str) -> str:
    """The name without its namespace."""
    return _SEPARATORS.split(stream)[-1]


def _difference(one: str, other: str) -> str:
    if one.casefold() == other.casefold():
        return "upper and lower case"
    return "the namespace" if _bare(one) == _bare(other) else "the namespace and in upper and lower case"


def _listed(streams: Iterable[str]) -> str:
    names = [repr(stream) for stream in streams]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
