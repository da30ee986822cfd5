"""Finds an attempt to do something to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.harness import until

if TYPE_CHECKING:
    from tests.chaos.system import Replica, System

# On a busy machine, after other faults of the same volley, the next attempt may take its time.
FIND_SECONDS: Final = 60.0


async def some_attempt(system: System, victim: int) -> tuple[Replica, int]:
    """A worker and one of its attempts' processes; waits for one.

    Raises:
        AssertionError: there was none for long.
    """
    first = victim % len(system.workers)

    async def found() -> tuple[Replica, int] | None:
        for worker in (*system.workers[first:], *system.workers[:first]):
            if worker.lives and (attempts := worker.attempts()):
                return worker, attempts[victim % len(attempts)]
        return None

    return await until(found, seconds=FIND_SECONDS)
