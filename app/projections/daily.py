"""Daily statistics of collections: totals and histograms of the tasks that ended on a UTC day."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from app.domain.task import Status
from app.projections.histogram import LOG_GAMMA, bucket_of
from app.projections.histories import History
from app.store import daily_stats as store
from app.store.projections import list_ended_streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from app.domain.task import Task
    from app.projections.projection import Comparison, Row
    from app.store.database import Connection

DAILY: Final = "daily_collection_stats"

Day: TypeAlias = tuple[date, str, str]
Measure: TypeAlias = Literal["duration", "queue_wait"]

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class DayTotals:
    """The totals in a row: tasks by outcome, rows, and microseconds."""

    success: int = 0
    failed: int = 0
    canceled: int = 0
    rows: int = 0
    duration_microseconds: int = 0
    queue_wait_microseconds: int = 0


@dataclass(frozen=True, slots=True)
class DailyStats:
    """Totals by (day, source, collection), and numbers of tasks by day, measure and histogram bucket."""

    totals: dict[Day, DayTotals] = field(default_factory=dict)
    buckets: Counter[tuple[Day, Measure, int]] = field(default_factory=Counter)

    def take(self, task: Task) -> None:
        """Count a task that has ended. One that was never started has no duration and no queue wait."""
        if task.finished_at is None:
            raise ValueError(f"task {task.task} has not ended")
        day = (task.finished_at.astimezone(UTC).date(), task.source, task.collection)
        totals = self.totals.setdefault(day, DayTotals())
        totals.success += task.status is Status.SUCCESS
        totals.failed += task.status is Status.FAILED
        totals.canceled += task.status is Status.CANCELED
        totals.rows += task.rows
        if task.started_at is not None:
            duration = _microseconds(task.started_at, task.finished_at)
            queue_wait = _microseconds(task.created_at, task.started_at)
            totals.duration_microseconds += duration
            totals.queue_wait_microseconds += queue_wait
            self.buckets[day, "duration", bucket_of(duration)] += 1
            self.buckets[day, "queue_wait", bucket_of(queue_wait)] += 1

    def stats_rows(self, generation: int) -> Iterator[dict[str, Any]]:
        """The rows of `daily_collection_stats`."""
        for (day, source, collection), totals in self.totals.items():
            counted = {column: getattr(totals, column) for column in DayTotals.__slots__}
            yield {"generation": generation, "day": day, "source": source, "collection": collection, **counted}

    def histogram_rows(self, generation: int) -> Iterator[dict[str, Any]]:
        """The rows of `daily_collection_histogram`."""
        for ((day, source, collection), measure, bucket), tasks in self.buckets.items():
            yield {
                "generation": generation,
                "day": day,
                "source": source,
                "collection": collection,
                "measure": measure,
                "bucket": bucket,
                "tasks": tasks,
            }


class DailyProjection:
    """The statistics as an asynchronous projection."""

    name: Final = DAILY

    async def apply(self, connection: Connection, generation: int, after: int, upto: int) -> None:
        """Count the tasks that ended in these transactions."""
        stats = DailyStats()
        for stream in await list_ended_streams(connection, after, upto):
            stats.take(History.of(stream).task)
        if stats.totals:
            await _add(connection, stats, generation)

    async def keep_sealed(self, connection: Connection, generation: int, live: int, before: date) -> None:
        await store.keep_sealed_days(connection, generation, live, before)

    async def sweep(self, connection: Connection, generation: int) -> int:
        return await store.sweep_daily_stats(connection, generation)

    def survey(self, generation: int) -> _SurveyedGeneration:
        return _SurveyedGeneration(generation)

    def expectation(self) -> _Expectation:
        return _Expectation()


async def _add(connection: Connection, stats: DailyStats, generation: int) -> None:
    await store.add_daily_stats(connection, [*stats.stats_rows(generation)], [*stats.histogram_rows(generation)])


class _SurveyedGeneration:
    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._last = ("", "")
        self._turn = asyncio.Lock()

    async def write_next(self, connection: Connection, *, since: int, active: Sequence[UUID]) -> bool:
        async with self._turn:
            after, upto = self._last, await store.end_of_collections(connection, self._last)
            if upto is None:
                return False
            self._last = upto
        await store.count_days(
            connection, self._generation, after, upto, since=since, active=active, bucket_width=LOG_GAMMA
        )
        return True


class _Expectation:
    def __init__(self) -> None:
        self._stats = DailyStats()

    def take(self, history: History, upto: int) -> None:
        if history.ended and history.xid <= upto:
            self._stats.take(history.task)

    async def compare(self, connection: Connection, generation: int, sealed_before: date) -> list[Comparison]:
        def open_days(rows: Iterable[Row]) -> Iterator[Row]:
            return (row for row in rows if row["day"] >= sealed_before)

        day = ("day", "source", "collection")
        stats = await store.list_daily_stats(connection, generation)
        histogram = await store.list_daily_histogram(connection, generation)
        return [
            (day, open_days(self._stats.stats_rows(generation)), open_days(stats)),
            (
                (*day, "measure", "bucket"),
                open_days(self._stats.histogram_rows(generation)),
                open_days(histogram),
            ),
        ]


def _microseconds(start: datetime, end: datetime) -> int:
    """The time between two instants; 0 if the clock was set back in between."""
    return max(0, (end - start) // _MICROSECOND)
