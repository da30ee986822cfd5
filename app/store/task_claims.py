"""Claims one task that the worker names, instead of what comes first in its pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from app.domain.claim import Claim
from app.domain.errors import UnknownTaskError, UnsettledError
from app.domain.task import TERMINAL, Status
from app.domain.timestamp import utc_second
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from app.store.database import Pool

_SQL: Final = load_statements("task_claims.sql")

# A change of the row may take a try each, so more than these is a bug.
_TRIES: Final = 10


class Unclaimed(NamedTuple):
    """What a task is that a worker did not get. It `waits` if its next attempt is not due before `run_at`."""

    status: str | None
    run_at: datetime | None
    waits: bool | None
    is_paused: bool
    host: str | None
    pid: int | None

    @property
    def reason(self) -> str:
        """Why it cannot be claimed; empty if it can be by now."""
        if self.status is None:
            return "the store has lost its row; run 'syncline projections rebuild collections'"
        if Status(self.status) in TERMINAL:
            return f"it has ended with {self.status}"
        if self.status == Status.RUNNING:
            return f"worker {self.host} (pid {self.pid}) runs it" if self.host else "another worker runs it"
        if self.is_paused:
            return "it is paused"
        return f"it waits until {utc_second(self.run_at)}" if self.run_at and self.waits else ""


class TaskClaims:
    """Claims of single tasks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, worker: UUID, task: UUID, *, started_with: Mapping[str, str]) -> Claim | Unclaimed:
        """Claim exactly this task, whatever its pool, if it is due and not paused; otherwise say what it is.

        `started_with` goes into the event.

        Raises:
            UnknownTaskError: there is no such task.
            UnsettledError: its row kept changing, or the worker's lease has expired.
        """
        for _ in range(_TRIES):
            row = await self._pool.fetchrow(_SQL["claim_task"], worker, task, dict(started_with))
            if row is not None:
                return Claim(*row)
            found = await self._pool.fetchrow(_SQL["unclaimed_task"], task)
            if found is None:
                raise UnknownTaskError(task)
            if (unclaimed := Unclaimed(*found)).reason:
                return unclaimed
        raise UnsettledError(f"task {task} was not claimed: its row kept changing, or this worker has lost its lease")
