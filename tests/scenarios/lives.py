"""The life of a collection: it is loaded, its source changes, it is loaded again, and all the time it is killed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tests.connectors.attempts import Told, Trial
from tests.scenarios.rows import FIRST, SECOND, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.scenarios.landings import Landing
    from tests.scenarios.sources import Source

BEFORE: Final = "child.staged"
INSIDE: Final = "destination.committing"
SEALED: Final = "destination.bookmarked"
AFTER: Final = "child.committed"
EVERY_POINT: Final = (BEFORE, INSIDE, SEALED, AFTER)
_WHEN: Final = {BEFORE: "before", INSIDE: "inside", SEALED: "inside", AFTER: "after"}

Found = list[tuple[int, str]]


class Deaths:
    """At which points of the commits of each destination attempts have died: `before`, `inside`, `after`."""

    def __init__(self, destinations: int) -> None:
        self.killed: list[set[str]] = [set() for _ in range(destinations)]

    def note(self, point: str, lacking: Sequence[int]) -> Sequence[int]:
        """An attempt for the destinations `lacking` rows has died at `point`: those of them that are loaded now."""
        name, _, nth = point.partition("@")
        turn = int(nth or 1)
        for number in lacking if name == BEFORE else lacking[turn - 1 : turn]:
            self.killed[number].add(_WHEN[name])
        return lacking[: turn if name == AFTER else turn - 1]


@dataclass
class Life:
    """One source, the destinations that are loaded from it at once, and the mode in which they are.

    `deaths` tells for each destination at which points of its commits an attempt has died.
    """

    source: Source
    landings: list[Landing]
    mode: str
    directory: Path
    deaths: Deaths = field(init=False)
    trial: Trial = field(init=False)
    _held: list[Found] = field(init=False)

    def __post_init__(self) -> None:
        self.deaths = Deaths(len(self.landings))
        self._held = [[] for _ in self.landings]
        destinations = {f"{number}_{each.kind}": each.options() for number, each in enumerate(self.landings)}
        self.trial = Trial(self.directory, destinations, **self._job())

    def runs(self, first: Sequence[str], later: Sequence[str]) -> None:
        """Loads everything, then what has changed, then nothing, and dies at these points of the first two commits."""
        before = self.source.put(FIRST)
        self._loads([before], first)
        after = self.source.put(SECOND)
        self._loads([before, after], later)
        told = self._loads([before, after, after], [])
        if not self.whole:
            assert told.finished.rows_written == 0, "nothing was new"
            assert told.finished.records_read <= self.source.resent

    @property
    def whole(self) -> bool:
        """Whether all rows are read each time."""
        return self.source.whole or self.mode == "replace"

    def _loads(self, readings: Sequence[list[Row]], kills: Sequence[str]) -> Told:
        """One task, whose attempts die at `kills`, one at each, and whose last one ends well."""
        found = expected(self.mode, readings, whole=self.whole)
        self.trial = replace(self.trial, **self._job())
        for again, point in enumerate(kills):
            self.trial.die(point, again=again)
            self._look(point, found)
        told = self.trial.run(again=len(kills))
        assert told.finished
        for number, landing in enumerate(self.landings):
            assert landing.rows() == found, f"{landing.kind}: the source's rows, each once"
            if self.mode == "history":
                assert landing.rows(ended=False) == expected("upsert", readings, whole=self.whole)
            self._held[number] = found
        return told

    def _look(self, point: str, found: Found) -> None:
        """A destination has all of a commit or nothing of it; those that were done before the kill have it."""
        for number in self.deaths.note(point, [number for number, held in enumerate(self._held) if held != found]):
            self._held[number] = found
        for landing, held in zip(self.landings, self._held, strict=True):
            assert landing.rows() == held, f"{landing.kind} after a kill at {point}"

    def _job(self) -> dict[str, Any]:
        """What there is to say to be loaded in this mode; the source adds its own."""
        collection: dict[str, Any] = {
            "sync_mode": "full_refresh" if self.whole else "incremental",
            "write_mode": self.mode,
        }
        if self.source.cursor_field and not self.whole:
            collection["cursor_field"] = self.source.cursor_field
        if self.mode != "append":
            collection["primary_key"] = ["id"]
        job = self.source.job()
        return job | {"collection": collection | job["collection"]}


def expected(mode: str, readings: Sequence[list[Row]], *, whole: bool) -> Found:
    """What a destination has to have, after the source had these rows one after the other."""
    if mode == "append" and whole:
        kept = [row for rows in readings for row in rows]
    elif mode in ("append", "history"):
        kept = list(dict.fromkeys(row for rows in readings for row in rows))
    else:
        kept = readings[-1]
    return sorted((row.id, row.text) for row in kept)
