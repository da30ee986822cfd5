"""What a seed means: which faults, in which order, at whom, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.chaos.faults import Kind

MOST_AT_ONCE: Final = 3
_SPREAD_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to be: `delay` seconds after its volley begins, at replica number `victim`, held for `hold` seconds."""

    kind: str
    victim: int
    delay: float
    hold: float

    def __str__(self) -> str:
        """One line."""
        return f"{self.kind} (victim {self.victim}, after {self.delay:.1f} s, for {self.hold:.1f} s)"


def plan(seed: int, faults: int, kinds: Mapping[str, Kind]) -> list[list[Planned]]:
    """Volleys of one to three faults that do not touch the same thing. Every kind comes before one comes again."""
    rng = Random(seed)  # noqa: S311 - to be repeated, not to be guessed
    volleys: list[list[Planned]] = []
    waiting: list[str] = []
    while faults > sum(map(len, volleys)):
        if len(waiting) < MOST_AT_ONCE:
            deck = sorted(kinds)
            rng.shuffle(deck)
            waiting += deck
        size = min(rng.randint(1, MOST_AT_ONCE), faults - sum(map(len, volleys)))
        volleys.append(_volley(rng, waiting, size, kinds))
    return volleys


def _volley(rng: Random, waiting: list[str], size: int, kinds: Mapping[str, Kind]) -> list[Planned]:
    chosen: list[Planned] = []
    touched: set[str] = set()
    for name in tuple(waiting):
        kind = kinds[name]
        if len(chosen) < size and not touched & kind.touches and name not in {one.kind for one in chosen}:
            waiting.remove(name)
            touched |= kind.touches
            chosen.append(_planned(rng, name, kind, first=not chosen))
    return chosen


def _planned(rng: Random, name: str, kind: Kind, *, first: bool) -> Planned:
    delay = 0.0 if first else rng.uniform(0, _SPREAD_SECONDS)
    return Planned(name, rng.randrange(1000), round(delay, 2), round(rng.uniform(*kind.hold), 2))


def text_of(volleys: Sequence[Sequence[Planned]]) -> str:
    """The plan, a volley a line."""
    return "\n".join(f"{number:4} " + "; ".join(map(str, volley)) for number, volley in enumerate(volleys, 1))
