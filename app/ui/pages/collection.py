"""A collection: how it is, its runs and rows, when it runs next, how far it is, and which columns it has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from app.api.http.parameters import COLLECTION, SOURCE
from app.api.operations.recent_tasks import BEFORE, task_key_text
from app.bookmarks import keeping_destinations, list_changes, masked
from app.connectors.kinds import READ_INTERVALS
from app.domain.api_token import TokenScope
from app.domain.condition import OF_STATUS, WORDS_OF_STATUS
from app.domain.counts import count
from app.domain.duration import format_duration
from app.domain.elapsed import span_in_words
from app.domain.redaction import redactor_of
from app.domain.story import describe_change, entry_of
from app.domain.table_columns import TableColumn
from app.domain.task import Status, task_id
from app.domain.waiting import waiting_in_words
from app.store.recent_tasks import AFTER_ALL_TASKS, RecentTasks, TaskKey
from app.store.task_lists import TaskFilter
from app.ui.charts import LARGE, Bar, Run, draw_bars
from app.ui.schedule_words import next_fire_times, schedule_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from markupsafe import Markup
    from starlette.responses import Response

    from app.bookmarks import Change
    from app.store.reads import Row
    from app.ui.collection_states import CollectionState
    from app.ui.page import View

TASKS: Final = 20
MOST_COLUMNS: Final = 300
_DAYS: Final = 30
_RUNS: Final = 50
_FACTS: Final = 20
_CHANGES: Final = 10
_FIRE_TIMES: Final = 5
_LONGEST_BOOKMARK: Final = 300


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the first of its columns, and how many more there are."""

    destination: str
    name: str
    changed_at: datetime
    columns: Sequence[TableColumn]
    left_out: int


@dataclass(frozen=True, slots=True)
class Bookmarks:
    """How far each destination is, as text, and what has changed that; for those who may see values of the source."""

    current: Sequence[tuple[Any, str]]
    changes: Sequence[tuple[Change, Mapping[str, str]]]
    settable: Sequence[str]


async def show_collection(view: View) -> Response:
    """Show a collection. One that has left the catalogue is shown as long as it has tasks."""
    source, collection = SOURCE.required(view.request), COLLECTION.required(view.request)
    before = BEFORE.optional(view.request)
    reader, stories = view.services.reader, view.services.stories
    now, moment = view.now, view.moment
    # The statistics of a day are complete only at its end.
    last_day, month_ago = now.date() - timedelta(days=view.is_past), now - timedelta(days=_DAYS)
    tasks, runs, days, tables, changes, facts = await asyncio.gather(
        _list_tasks(view, source, collection, before),
        reader.list_last_runs([(source, collection)], _RUNS, month_ago, moment),
        reader.list_days(source, collection, last_day - timedelta(days=_DAYS - 1), last_day),
        reader.list_tables_of(source, collection, moment),
        stories.list_schema_changes(source, collection, month_ago, now),
        stories.list_facts(source, collection, _FACTS, moment),
    )
    state = (await view.snapshots.get(moment)).find(source, collection)
    if state is None and not tasks and before is None:
        view.services.catalogue().find(source, collection)
    return view.render(
        "collection.html",
        current="overview",
        source=source,
        collection=collection,
        state=state,
        tasks=[_task(row, now) for row in tasks[:TASKS]],
        is_first=before is None,
        older=_older(source, collection, tasks),
        chart=_draw_days(days, last_day),
        summary=_sum_up(days),
        runs=[Run(row["status"], row["rows"]) for row in reversed(runs)],
        most_runs=_RUNS,
        days=_DAYS,
        schedule=_schedule(state),
        tables=[_table(row) for row in tables],
        schema_changes=[(each, [*map(describe_change, each["changes"])]) for each in reversed(changes)],
        facts=[entry_of(each["type"], each["at"], 0, None, each["data"]) for each in facts],
        may_change=view.may(TokenScope.ADMIN),
        reads_intervals=_type_of(view, source) in READ_INTERVALS,
        bookmarks=await _bookmarks(view, source, collection) if view.may(TokenScope.ADMIN) else None,
    )


async def _list_tasks(view: View, source: str, collection: str, before: TaskKey | None) -> Sequence[Row]:
    """The newest tasks that there were, one more than are shown; those before another one, if it is given."""
    if view.is_past:
        start = datetime.min.replace(tzinfo=UTC)
        end = view.now if before is None else min(view.now, before.created_at - timedelta.resolution)
        wanted = TaskFilter(source, start, end, collection, limit=TASKS + 1, as_of=view.moment)
        return [row async for page in view.services.reader.page_tasks(wanted) for row in page][::-1]
    wanted_recent = RecentTasks(before=before or AFTER_ALL_TASKS, source=source, collection=collection)
    return await view.services.reader.list_recent(wanted_recent, TASKS + 1)


def _task(row: Row, now: datetime) -> dict[str, Any]:
    """A line of the list of tasks."""
    status, until = Status(row["status"]), row["finished_at"] or now
    return {
        "id": task_id(row["source"], row["collection"], row["task"]),
        "condition": OF_STATUS[status].value,
        "status": WORDS_OF_STATUS[status],
        "at": row["created_at"],
        "trigger": row["trigger"],
        "interval": row["backfill"],
        "time": row["started_at"] and span_in_words((until - row["started_at"]).total_seconds()),
        "rows": row["rows"],
        "error": _trouble(row),
    }


def _trouble(row: Row) -> str:
    """Why the task failed, or what it waits for."""
    error, waiting = row["error"] or "", row.get("waiting")
    return waiting_in_words(**waiting) if waiting and waiting["reason"] != error else error


def _older(source: str, collection: str, tasks: Sequence[Row]) -> str | None:
    """The query of the page with older tasks; None if these are the last."""
    if len(tasks) <= TASKS:
        return None
    last = tasks[TASKS - 1]
    before = task_key_text(TaskKey(last["created_at"], last["task"]))
    return urlencode({"source": source, "collection": collection, "before": before})


def _draw_days(days: Sequence[Row], today: date) -> Markup:
    by_day = {row["day"]: row for row in days}
    dates = [today - timedelta(days=back) for back in reversed(range(_DAYS))]
    return draw_bars([_day(each, by_day.get(each)) for each in dates], _sum_up(days), LARGE, most=_DAYS)


def _day(day: date, row: Row | None) -> Bar:
    if row is None:
        return Bar(0, "none", f"{day}: no runs")
    failed = f", {row['failed']:,} failed" if row["failed"] else ""
    words = f"{day}: {count(row['rows'], 'row')} in {count(_runs_of(row), 'run')}{failed}"
    return Bar(row["rows"], "failed" if row["failed"] else "success", words)


def _sum_up(days: Sequence[Row]) -> str:
    runs, failed, rows = sum(map(_runs_of, days)), sum(day["failed"] for day in days), sum(day["rows"] for day in days)
    return f"{count(rows, 'row')} in {count(runs, 'run')}, {failed:,} failed"


def _runs_of(row: Row) -> int:
    return int(row["success"] + row["failed"] + row["canceled"])


def _schedule(state: CollectionState | None) -> dict[str, Any] | None:
    if state is None or state.schedule is None:
        return None
    fire_times = [*next_fire_times(state.schedule, state.timezone, state.next_fire_at, _FIRE_TIMES)]
    return {
        "expression": state.schedule,
        "words": schedule_in_words(state.schedule),
        "zone": state.timezone,
        "next": fire_times,
        "delay": state.delay and format_duration(state.delay),
    }


def _table(row: Row) -> Table:
    columns = row["columns"]
    shown = msgspec.convert(columns[:MOST_COLUMNS], list[TableColumn])
    return Table(row["destination"], row["table_name"], row["changed_at"], shown, len(columns) - len(shown))


def _type_of(view: View, source: str) -> str | None:
    found = view.services.catalogue().sources.get(source)
    return None if found is None else found.type


async def _bookmarks(view: View, source: str, collection: str) -> Bookmarks:
    catalogue, bookmarks = view.services.catalogue(), view.services.bookmarks
    redact = redactor_of(catalogue.secrets()).redact
    current, changes = await asyncio.gather(
        bookmarks.list_current(source, collection), list_changes(bookmarks, source, collection, limit=_CHANGES)
    )
    return Bookmarks(
        current=[(row, _shortened(row["bookmark"], redact)) for row in current],
        changes=[
            (change, {name: _shortened(text, redact) for name, text in change.bookmarks.items()}) for change in changes
        ],
        settable=keeping_destinations(catalogue, source) if source in catalogue.sources else [],
    )


def _shortened(value: str | None, redact: Callable[[str], str]) -> str:
    """A bookmark as a page shows it."""
    if value is None:
        return "none: everything is loaded again"
    text = masked(value, redact)
    left_out = len(text) - _LONGEST_BOOKMARK
    return text if left_out <= 0 else f"{text[:_LONGEST_BOOKMARK]}… and {count(left_out, 'more character')}"
