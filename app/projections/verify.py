"""Compares every projection with the fold of the events, while the service runs.

Both are read in one snapshot; asynchronous projections are compared up to their checkpoints. Statistics of days whose
events were retired are final and not compared. Streams are read in batches, so memory grows with collections and days,
not with tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.domain.task import IllegalTransitionError
from app.projections.asynchronous import ASYNCHRONOUS
from app.projections.collections import Collections
from app.projections.histories import History
from app.projections.rebuild import OF_FACTS
from app.store import projections as store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Iterable, Iterator, Sequence
    from uuid import UUID

    from app.projections.projection import AsyncProjection, Expectation, Row
    from app.store.database import Connection, Pool
    from app.store.projections import Stream

# Stands for the whole row instead of a column.
ROW: Final = "row"


@dataclass(frozen=True, slots=True)
class Drift:
    """A difference between a projection and the events. `column` is `row` if a whole row is missing or extra.

    `projection` is `events` if the events of a task are not in a valid order.
    """

    projection: str
    key: str
    column: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        """One line."""
        expected, found = _show(self.expected), _show(self.found)
        return f"{self.projection} {self.key}: {self.column}: expected {expected}, found {found}"


async def verify(pool: Pool, *, limit: int = 20, asynchronous: Sequence[AsyncProjection] = ASYNCHRONOUS) -> list[Drift]:
    """The first `limit` differences between the projections and the fold of the events."""
    drifts: list[Drift] = []
    async with store.transaction(pool, snapshot=True) as connection:
        async for drift in _Verification(connection, asynchronous).drifts():
            drifts.append(drift)
            if len(drifts) >= limit:
                break
    return drifts


class _Following(NamedTuple):
    """The live generation of an asynchronous projection, and its expected rows at its checkpoint."""

    name: str
    generation: int
    checkpoint: int
    expectation: Expectation


class _Verification:
    def __init__(self, connection: Connection, asynchronous: Sequence[AsyncProjection]) -> None:
        self._connection = connection
        self._collections = Collections()
        self._asynchronous = asynchronous
        self._followings: list[_Following] = []

    async def drifts(self) -> AsyncIterator[Drift]:
        self._collections = Collections(await store.list_retired_failures(self._connection))
        self._followings = [await self._following(projection) for projection in self._asynchronous]
        async for drift in self._streams_and_tasks():
            yield drift
        for compare in (self._collection_rows, self._bookmarks, self._table_schemas):
            for drift in await compare():
                yield drift
        for projection in OF_FACTS:
            for drift in await self._rows_of_facts(projection):
                yield drift
        for following in self._followings:
            async for drift in self._asynchronous_rows(following):
                yield drift

    async def _following(self, projection: AsyncProjection) -> _Following:
        live = await store.get_live_checkpoint(self._connection, projection.name)
        return _Following(projection.name, *(live or (0, 0)), projection.expectation())

    async def _streams_and_tasks(self) -> AsyncIterator[Drift]:
        after: UUID | None = None
        while streams := await store.list_next_streams(self._connection, after):
            histories, broken = _fold(streams)
            for history in histories:
                self._take(history)
            upto = streams[-1].task
            for drift in (*broken.values(), *await self._tasks(histories, after, upto, except_for=broken)):
                yield drift
            after = upto
        for drift in await self._tasks([], after, None):
            yield drift

    def _take(self, history: History) -> None:
        self._collections.take(history)
        for following in self._followings:
            following.expectation.take(history, following.checkpoint)

    async def _tasks(
        self, histories: Sequence[History], after: UUID | None, upto: UUID | None, except_for: Container[UUID] = ()
    ) -> Iterator[Drift]:
        rows = await store.list_tasks_between(self._connection, after, upto)
        return _compare(
            "tasks",
            ("task",),
            (history.tasks_row() for history in histories if history.ended),
            (row for row in rows if row["task"] not in except_for),
        )

    async def _collection_rows(self) -> Iterator[Drift]:
        return _compare(
            "collections",
            ("source", "collection"),
            self._collections.rows(),
            await store.list_all_rows(self._connection, "collections"),
        )

    async def _bookmarks(self) -> Iterator[Drift]:
        return _compare(
            "bookmarks",
            ("source", "collection", "destination"),
            await store.list_expected_bookmarks(self._connection, self._collections.saving_events()),
            await store.list_found_bookmarks(self._connection),
        )

    async def _table_schemas(self) -> Iterator[Drift]:
        return _compare(
            "table_schemas",
            ("source", "collection", "destination", "table_name", "revision"),
            self._collections.schema_rows(),
            await store.list_all_rows(self._connection, "table_schemas"),
        )

    async def _rows_of_facts(self, projection: store.OfFacts) -> Iterator[Drift]:
        return _compare(
            projection,
            ("source", "collection"),
            map(dict, await store.list_expected_rows(self._connection, projection)),
            await store.list_all_rows(self._connection, projection),
        )

    async def _asynchronous_rows(self, following: _Following) -> AsyncIterator[Drift]:
        sealed_before = (await store.get_retention(self._connection)).sealed_before
        comparisons = await following.expectation.compare(self._connection, following.generation, sealed_before)
        for key, expected, found in comparisons:
            for drift in _compare(following.name, key, expected, found):
                yield drift


def _show(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if text.isprintable() and text else repr(text)


def _fold(streams: Iterable[Stream]) -> tuple[list[History], dict[UUID, Drift]]:
    """The histories of valid streams, and the drifts of invalid ones by task."""
    histories, broken = [], {}
    for stream in streams:
        try:
            histories.append(History.of(stream))
        except IllegalTransitionError as error:
            broken[stream.task] = Drift("events", str(stream.task), "version", "a valid sequence of events", str(error))
    return histories, broken


def _compare(projection: str, key: Sequence[str], expected: Iterable[Row], found: Iterable[Row]) -> Iterator[Drift]:
    unmatched = {tuple(row[column] for column in key): row for row in found}
    for wanted in expected:
        identity = tuple(wanted[column] for column in key)
        name = "/".join(map(str, identity))
        row = unmatched.pop(identity, None)
        if row is None:
            yield Drift(projection, name, ROW, "present", "absent")
            continue
        for column, value in wanted.items():
            if row[column] != value:
                yield Drift(projection, name, column, value, row[column])
    for identity in unmatched:
        yield Drift(projection, "/".join(map(str, identity)), ROW, "absent", "present")
