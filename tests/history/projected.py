"""The inline projections as they must be, folded from the events, against the rows that are there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from app.domain.events import BOOKMARK_SAVED, SCHEMA_CHANGED
from app.domain.task import TERMINAL, Status, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.history.record import History, Projections

Row = dict[str, Any]
_LISTED: tuple[str, ...] = (
    "task",
    "source",
    "collection",
    "source_type",
    "trigger",
    "fire_time",
    "priority",
    "max_attempts",
    "status",
    "attempt",
    "failures",
    "rows",
    "error",
    "created_at",
    "started_at",
    "finished_at",
    "version",
    "backfill",
)
_HEAD: tuple[str, ...] = (
    *(column for column in _LISTED if column != "finished_at"),
    "run_at",
    "worker",
    "cancel_requested",
    "claim",
    "changed_at",
    "pool",
    "line",
    "again",
)


def wrong_projections(history: History, found: Projections) -> Iterator[tuple[str, str]]:
    """(row, what is wrong with it) of the inline projections."""
    tasks = history.tasks.values()
    ended = [task for task in tasks if task.status in TERMINAL]
    yield from _compared("tasks", ("task",), [_row(task, _LISTED) for task in ended], found.tasks)
    yield from _compared("collections", ("source", "collection"), _heads(history), found.collections)
    yield from _compared("bookmarks", ("source", "collection", "destination"), _bookmarks(history), found.bookmarks)
    schema_key = ("source", "collection", "destination", "table_name", "revision")
    yield from _compared("table_schemas", schema_key, _schemas(history), found.table_schemas)


def _row(task: Task, columns: Iterable[str]) -> Row:
    return {column: getattr(task, column) for column in columns}


def _heads(history: History) -> list[Row]:
    """Tasks of a collection never overlap, and their ids grow: the last one has the highest id."""
    lives: dict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in sorted(history.tasks.values(), key=lambda task: task.task):
        lives[task.source, task.collection].append(task)
    # What is counted over all tasks outlives those that were dropped.
    counts = history.kept_since is None
    return [_row(tasks[-1], _HEAD) | (_status(tasks) if counts else {}) for tasks in lives.values()]


def _status(tasks: Sequence[Task]) -> Row:
    row: Row = {"last_success_at": None, "last_failure_at": None, "consecutive_failures": 0}
    for task in tasks:
        if task.status is Status.SUCCESS:
            row |= {"last_success_at": task.finished_at, "consecutive_failures": 0}
        elif task.status is Status.FAILED:
            failures = row["consecutive_failures"] + 1
            row |= {"last_failure_at": task.finished_at, "consecutive_failures": failures}
    return row


def _bookmarks(history: History) -> list[Row]:
    """The last one saved for each destination of a collection; no reset is known here."""
    rows: dict[tuple[str, str, str], Row] = {}
    for id_ in sorted(history.tasks):
        task = history.tasks[id_]
        for event in history.streams[id_]:
            if event.type == BOOKMARK_SAVED:
                key = (task.source, task.collection, event.data["destination"])
                rows[key] = {
                    "source": key[0],
                    "collection": key[1],
                    "destination": key[2],
                    "bookmark": event.data["bookmark"],
                    "task": id_,
                    "attempt": event.attempt,
                    "saved_at": event.at,
                }
    return list(rows.values())


def _schemas(history: History) -> list[Row]:
    return [
        {
            "source": task.source,
            "collection": task.collection,
            "destination": event.data["destination"],
            "table_name": event.data["table"],
            "revision": event.data["revision"],
            "columns": event.data["columns"],
            "changes": event.data["changes"],
            "task": id_,
            "attempt": event.attempt,
            "changed_at": event.at,
        }
        for id_, task in history.tasks.items()
        for event in history.streams[id_]
        if event.type == SCHEMA_CHANGED
    ]


def _compared(
    projection: str, key: tuple[str, ...], wanted: Iterable[Row], found: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    rows = {tuple(row[column] for column in key): row for row in found}
    for row in wanted:
        identity = tuple(row[column] for column in key)
        where = f"{projection} {'/'.join(map(str, identity))}"
        kept = rows.pop(identity, None)
        if kept is None:
            yield where, "the row is missing"
        elif wrong := [c for c, value in row.items() if kept[c] != value]:
            yield where, "; ".join(f"{c} is {kept[c]}, the events say {row[c]}" for c in wrong)
    for identity in rows:
        yield f"{projection} {'/'.join(map(str, identity))}", "the row has no events"
