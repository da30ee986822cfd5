"""The interface of an asynchronous projection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from uuid import UUID

    import asyncpg

    from app.projections.histories import History
    from app.store.database import Connection

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
        """Start what a rebuild counts in the rows of `tasks` when all are right; None to apply all events instead."""

    def expectation(self) -> Expectation:
        """Start a fold that takes every task and is then compared with the stored rows."""


class SurveyedGeneration(Protocol):
    """What a rebuild writes to a new generation from the rows of `tasks`: those that ended before a transaction."""

    async def write_next(self, connection: Connection, *, since: int, active: Sequence[UUID]) -> bool:
        """Count the next part of the tasks that ended before transaction `since`; False if none is left.

        Several readers may do it at the same time. `active` tasks had not ended when they were read.
        """


class Expectation(Protocol):
    """The rows that one generation should have according to the events."""

    def take(self, history: History, upto: int) -> None:
        """Add a task, as it was after transaction `upto`."""

    async def compare(self, connection: Connection, generation: int, sealed_before: date) -> Sequence[Comparison]:
        """The expected and stored rows of each table, without the final days before `sealed_before`."""
