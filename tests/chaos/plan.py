"""What a seed means: which faults, in which order, at whom, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from tests.chaos.system import WORKERS

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from tests.chaos.kinds import Kind

FEWEST_AT_ONCE: Final = 2
MOST_AT_ONCE: Final = 4
_ONE_WORKER: Final = "worker"
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
    """Volleys of faults that overlap and do not touch the same thing. Every kind comes before one comes again.

    One worker of the three is left alone, but where a kind of fault is about all of them. A kind that is to be alone
    has a volley of its own.
    """
    rng = Random(seed)  # noqa: S311 - to be repeated, not to be guessed
    volleys: list[list[Planned]] = []
    waiting: list[str] = []
    while faults > (planned := sum(map(len, volleys))):
        if len(waiting) < MOST_AT_ONCE:
            deck = sorted(kinds)
            rng.shuffle(deck)
            waiting += deck
        size = min(rng.randint(FEWEST_AT_ONCE, MOST_AT_ONCE), faults - planned)
        volleys.append(_volley(rng, waiting, size, kinds))
    return volleys


def without(volleys: Sequence[Sequence[Planned]], skipped: Container[str]) -> list[list[Planned]]:
    """The plan but for some kinds: all else is as it was."""
    kept = ([planned for planned in volley if planned.kind not in skipped] for volley in volleys)
    return [volley for volley in kept if volley]


def _volley(rng: Random, waiting: list[str], size: int, kinds: Mapping[str, Kind]) -> list[Planned]:
    chosen: list[Planned] = []
    touched: set[str] = set()
    for name in tuple(waiting):
        victim = rng.randrange(1000)
        touches = _touched(kinds[name], victim)
        fits = not touched & touches and len(_workers(touched | touches)) < WORKERS
        fits = fits and not any(kinds[one].alone for one in (name, *(planned.kind for planned in chosen)))
        if len(chosen) < size and (fits or not chosen) and name not in {one.kind for one in chosen}:
            waiting.remove(name)
            touched |= touches
            delay = rng.uniform(0, _SPREAD_SECONDS) if chosen else 0.0
            chosen.append(Planned(name, victim, round(delay, 2), round(rng.uniform(*kinds[name].hold), 2)))
    return chosen


def _touched(kind: Kind, victim: int) -> set[str]:
    """What a fault touches; of the workers its victim."""
    return {f"worker {victim % WORKERS}" if what == _ONE_WORKER else what for what in kind.touches}


def _workers(touched: set[str]) -> set[str]:
    return {what for what in touched if what.startswith(_ONE_WORKER)}


def text_of(volleys: Sequence[Sequence[Planned]]) -> str:
    """The plan, a volley a line."""
    return "\n".join(f"{number:4} " + "; ".join(map(str, volley)) for number, volley in enumerate(volleys, 1))
