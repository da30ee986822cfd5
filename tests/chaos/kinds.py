"""What a kind of fault is, and all kinds by name: the modules of faults register theirs here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tests.chaos.load import LEASE_SECONDS
from tests.chaos.system import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from tests.chaos.system import System

    Injection = Callable[[System, int], AbstractAsyncContextManager[None]]

# Longer than a lease; a moment; as long as an outage that is noticed.
PAST_LEASE: Final = (LEASE_SECONDS * 1.2, LEASE_SECONDS * 2.0)
NO_TIME: Final = (0.0, 0.0)
A_WHILE: Final = (1.0, 3.0)


class Need(StrEnum):
    """What a fault needs of the machine: the words that say why it cannot be had."""

    SMALL_DISK = "no file system can be mounted: neither root nor user namespaces (unshare -rm)"
    LIBFAKETIME = "libfaketime does not work here"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how it is injected and healed, for how many seconds it may hold, what it touches and needs.

    `worker` stands for the one that is its victim. `alone`: nothing else may happen meanwhile, for what comes of it is
    judged, and could be the other fault's doing.
    """

    inject: Injection
    hold: tuple[float, float]
    touches: frozenset[str]
    needs: Need | None = None
    alone: bool = False


KINDS: Final[dict[str, Kind]] = {}


# Touched by what is about all workers: it overlaps with no other fault of a worker.
EVERY_WORKER: Final = tuple(f"worker {number}" for number in range(WORKERS))


def kind(
    name: str,
    *,
    touches: str | Sequence[str],
    hold: tuple[float, float],
    needs: Need | None = None,
    alone: bool = False,
) -> Callable[[Injection], Injection]:
    def register(inject: Injection) -> Injection:
        KINDS[name] = Kind(inject, hold, frozenset([touches] if isinstance(touches, str) else touches), needs, alone)
        return inject

    return register


def skipped_kinds(*, small_disk: bool, libfaketime: bool) -> dict[str, str]:
    """The kinds that a machine with or without these cannot have, each with the reason."""
    there = {Need.SMALL_DISK: small_disk, Need.LIBFAKETIME: libfaketime}
    return {name: kind.needs.value for name, kind in KINDS.items() if kind.needs and not there[kind.needs]}
