"""Calls of the store that outlast an outage of the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import structlog

from app.causes import describe_error
from app.domain.errors import LeaseLostError
from app.execution.endings import PAUSE_SECONDS
from app.store.database import MissingRightError, is_refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.domain.claim import Claim

T = TypeVar("T")

_logger = structlog.get_logger("syncline.attempt")


class UntilAnswered:
    """Calls the store for one attempt, as long as that has not lost its lease."""

    def __init__(self, claim: Claim, *, has_lost_lease: Callable[[], bool]) -> None:
        self._claim = claim
        self._has_lost_lease = has_lost_lease

    async def __call__(self, call: Callable[[], Awaitable[T]], *, delayed: str) -> T:
        """Call the database, and try again during an outage, with a line `delayed` in the worker's log.

        Raises:
            LeaseLostError: the attempt no longer belongs to this worker.
            MissingRightError: the login may not do it, and waiting would not help.
        """
        while not self._has_lost_lease():
            try:
                return await call()
            except (LeaseLostError, MissingRightError):
                raise
            except Exception as error:
                if is_refusal(error):
                    raise
                _logger.warning(delayed, task=self._claim.task_id, error=describe_error(error))
                await asyncio.sleep(PAUSE_SECONDS)
        raise LeaseLostError(f"attempt {self._claim.attempt} of {self._claim.task_id} no longer belongs to this worker")
