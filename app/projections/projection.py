"""What an asynchronous projection has to know, which follows the events from behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    import asyncpg

    from app.projections.histories import History
    from app.store.database import Connection

Row: TypeAlias = "Mapping[str, Any] | asyncpg.Record"
# The columns that tell rows of a table apart, the rows that ought to be there, and those that are.
Comparison: TypeAlias = "tuple[Sequence[str], Iterable[Row], Iterable[Row]]"


class AsyncProjection(Protocol):
    """A projection with rows by generation; a checkpoint is the transaction up to which one has seen the events.

    Its methods run inside a transaction, those that write under the lock of the generation's checkpoint.
    """

    @property
    def name(self) -> str:
        """What its checkpoints are called, and what people call it."""

    async def apply(self, connection: Connection, generation: int, after: int, upto: int) -> None:
        """Add what the transactions after `after` up to `upto` have appended."""

    async def keep_sealed(self, connection: Connection, generation: int, live: int, before: date) -> None:
        """Let a new generation have the live one's days before this one: not all of their events are left."""

    async def sweep(self, connection: Connection, generation: int) -> int:
        """Drop the rows of generations that have no checkpoint; returns how many rows the given one has."""

    def expectation(self) -> Expectation:
        """A fold of nothing, to be compared with the rows when it has taken every task."""


class Expectation(Protocol):
    """What the events say that the rows of one generation ought to be."""

    def take(self, history: History, upto: int) -> None:
        """Fold what a task's transactions up to `upto` have appended."""

    async def compare(self, connection: Connection, generation: int, sealed_before: date) -> Sequence[Comparison]:
        """What to hold against each other, table by table; days before `sealed_before` are final and left out."""
