"""Sends a statement again whose row was changed by another transaction meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from app.domain.errors import UnsettledError
from app.store.partitions import with_partitions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.store.database import Pool

Answer = TypeVar("Answer")

# A statement is refused by a row with a higher transaction id, and has a new one the next time. More is a bug.
_TRIES: Final = 10


async def until_settled(pool: Pool, work: Callable[[], Awaitable[Answer | None]], what: str) -> Answer:
    """Do `work`, one statement or one transaction, until it has an answer; missing partitions are created.

    Raises:
        UnsettledError: it never had one; `what` is the subject of the sentence.
    """
    for _ in range(_TRIES):
        if (answer := await with_partitions(pool, work)) is not None:
            return answer
    raise UnsettledError(f"{what} keeps changing; try again")
