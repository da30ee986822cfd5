"""The GETs of the benchmark of reads: what the API is asked for, and what it then asks its reader for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import psycopg

from app.domain.task import task_id
from app.store.reads import LogFilter, Reader
from app.store.task_lists import TaskFilter
from benchmarks.history import BUSY_SOURCE, COLLECTIONS_OF_A_SOURCE, LONG_LOG_EVERY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

ALWAYS: Final = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
TASK: Final = "GET task"
LIST: Final = "list of 100 of a collection"
WIDE_LIST: Final = "list of 120 of a source"
LOG: Final = "a whole log of 5 lines"
FIRST_PAGE: Final = "first 100 lines of 10,000"
TAIL: Final = "last 100 lines of 10,000"
_DIFFERENT: Final = 200
# Tasks come in the order in which they were made; see `benchmarks/history.sql` for which of them have a long log.
_NUMBERED: Final = """
    SELECT task, source, collection
    FROM (SELECT *, row_number() OVER (ORDER BY task) - 1 AS i, count(*) OVER () AS tasks FROM syncline.tasks) AS made
"""
_EVERY_SO_MANY: Final = f"{_NUMBERED} WHERE mod(i, greatest(2, tasks / %s)) = 1"
_LONG_LOGS: Final = f"{_NUMBERED} WHERE mod(i, %s) = %s"


@dataclass(frozen=True, slots=True)
class Get:
    """One request: the path below `/api/v1` with its query, or the task, or the filter of a list or of a task's log."""

    target: str
    task: UUID | None = None
    tasks: TaskFilter | None = None
    lines: LogFilter | None = None

    async def read(self, reader: Reader) -> Sequence[Any]:
        """What the API has to read for it."""
        if self.tasks:
            return [row async for page in reader.page_tasks(self.tasks) for row in page]
        assert self.task is not None
        row = await reader.get_task(self.task)
        if self.lines:
            return [row async for page in reader.page_log(self.task, self.lines) for row in page]
        return [row]


def requests(url: str) -> Mapping[str, list[Get]]:
    """The different requests of each kind, spread over the whole history."""
    with psycopg.connect(url) as connection:
        tasks = connection.execute(_EVERY_SO_MANY, [_DIFFERENT]).fetchall()
        long = connection.execute(_LONG_LOGS, [LONG_LOG_EVERY, LONG_LOG_EVERY // 2]).fetchall()
    collections = [f"collection_{number}" for number in range(COLLECTIONS_OF_A_SOURCE)]
    return {
        TASK: [Get(_path(*one), one[0]) for one in tasks],
        LIST: [_list(100, collection) for collection in collections],
        WIDE_LIST: [_list(3)],
        LOG: [Get(f"{_path(*one)}/logs", one[0], lines=LogFilter(*ALWAYS)) for one in tasks],
        FIRST_PAGE: [Get(f"{_path(*one)}/logs?limit=100", one[0], lines=LogFilter(*ALWAYS, limit=100)) for one in long],
        TAIL: [Get(f"{_path(*one)}/logs?tail=100", one[0], lines=LogFilter(*ALWAYS, tail=100)) for one in long],
    }


def _path(task: UUID, source: str, collection: str) -> str:
    return f"/tasks/{quote(task_id(source, collection, task))}"


def _list(limit: int, collection: str | None = None) -> Get:
    start, end = (time.strftime("%Y-%m-%dT%H:%M:%SZ") for time in ALWAYS)
    query = {"source": BUSY_SOURCE, "start": start, "end": end, "limit": limit}
    if collection:
        query["collection"] = collection
    return Get(f"/tasks?{urlencode(query)}", tasks=TaskFilter(BUSY_SOURCE, *ALWAYS, collection, limit=limit))
