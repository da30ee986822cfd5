"""The interface of an asynchronous projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import asyncpg

    from app.domain.task import Task
    from app.projections.histories import History
    from app.store.database import Connection
    from app.store.folding import Scope

Row: TypeAlias = "Mapping[str, Any] | asyncpg.Record"
# The key columns of a table, the expected rows, and the stored rows.
Comparison: TypeAlias = "tuple[Sequence[str], Iterable[Row], Iterable[Row]]"


class AsyncProjection(Protocol):
    """A projection with rows for each generation; its checkpoint is the last transaction that was applied.

    Its methods run inside a transaction. Those that write hold a lock on the generation's checkpoint.
    """

    @property
    def name(self) -> str:
        """The name of its checkpoints, also shown to users."""

    async def apply(self, connection: Connection, generation: int, after: int, upto: int) -> None:
        """Apply the events of the transactions after `after` up to `upto`."""

    async def keep_sealed(self, connection: Connection, generation: int, live: int, before: date) -> None:
        """Copy the live generation's days before `before`, whose events are not all left, to a new generation."""

    async def sweep(self, connection: Connection, generation: int) -> int:
        """Delete generations without a checkpoint; return the number of rows that the given one has."""

    def survey(self, generation: int) -> SurveyedGeneration | None:
        """Start what a rebuild adds up while it reads all streams; None to apply all events afterwards instead."""

    def expectation(self) -> Expectation:
        """Start a fold that takes every task and is then compared with the stored rows."""


class SurveyedGeneration(Protocol):
    """What a rebuild adds to a new generation while it reads all streams: tasks that ended before a transaction."""

    def include_in(self, scope: Scope) -> Scope:
        """Let the store add the tasks that it folds itself."""

    def take(self, task: Task) -> None:
        """Add a task that the store did not fold."""

    async def write(self, connection: Connection) -> None:
        """Write the tasks that were taken."""


class Expectation(Protocol):
    """The rows that one generation should have according to the events."""

    def take(self, history: History, upto: int) -> None:
        """Add a task, as it was after transaction `upto`."""

    async def compare(self, connection: Connection, generation: int, sealed_before: date) -> Sequence[Comparison]:
        """The expected and stored rows of each table, without the final days before `sealed_before`."""
