"""Whether the seals of a chain are about what they may be about.

Hashes only show that seals were not changed. Somebody who can append to the chain may append what Syncline never does,
such as a seal that takes the place of one it has nothing to do with.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from app.domain.seal import Seal

_WEEK: Final = timedelta(days=7)


def find_wrong_ranges(seals: Iterable[Seal], horizon: date) -> Iterator[tuple[int, str]]:
    """The numbers of seals that are about something they cannot be about, in the order of their numbers, and why.

    Args:
        seals: the chain, in the order of the numbers.
        horizon: retention has removed nothing of this day or later.
    """
    known: dict[int, Seal] = {}
    standing: dict[int, Seal] = {}
    for seal in seals:
        problems = _in_a_replacement(seal, known, standing, horizon) if seal.replaces else _in_a_week(seal, known)
        problem = next(chain(problems, _beside_others(seal, standing)), None)
        known[seal.number] = seal
        if problem:
            yield seal.number, problem
        else:
            for number in seal.replaces:
                del standing[number]
            standing[seal.number] = seal


def _in_a_week(seal: Seal, known: Mapping[int, Seal]) -> Iterator[str]:
    if seal.week.weekday() != 0 or seal.before - seal.week != _WEEK:
        yield f"is about {_days(seal)}, which is not a week"
    for other in known.values():
        if not other.replaces and other.week == seal.week:
            yield f"is about the week {seal.week}, which seal {other.number} was about before"


def _in_a_replacement(
    seal: Seal, known: Mapping[int, Seal], standing: Mapping[int, Seal], horizon: date
) -> Iterator[str]:
    for number in seal.replaces:
        if number not in known:
            yield f"replaces seal {number}, which is not before it"
        elif number not in standing:
            yield f"replaces seal {number}, which does not count any more"
    if len({*seal.replaces}) < len(seal.replaces):
        yield "replaces a seal twice"
    olds = [standing[number] for number in seal.replaces if number in standing]
    if (seal.week, seal.before) != (min(old.week for old in olds), max(old.before for old in olds)):
        yield f"is about {_days(seal)}, and not about the weeks of the seals that it replaces"
    if seal.streams > sum(old.streams for old in olds) or seal.events > sum(old.events for old in olds):
        yield "has more than the seals that it replaces, and retention adds nothing"
    if seal.before > horizon:
        yield f"is about {_days(seal)}, of which retention has not removed anything"


def _beside_others(seal: Seal, standing: Mapping[int, Seal]) -> Iterator[str]:
    for other in standing.values():
        if other.number not in seal.replaces and seal.week < other.before and other.week < seal.before:
            yield f"is about {_days(seal)}, a part of which seal {other.number} is about"


def _days(seal: Seal) -> str:
    return f"{seal.week} to {seal.before}"
