"""A task: how it is, what has happened to it, what it says, and what was different when its collection last worked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from app.api.operations.tasks import find_task
from app.domain.about import About
from app.domain.condition import OF_STATUS, WORDS_OF_STATUS
from app.domain.elapsed import span_in_words
from app.domain.story import describe_change, entry_of
from app.domain.task import Status, task_id
from app.store.recent_tasks import ACTIVE
from app.store.stories import Stories, TaskKeyOf
from app.ui.pages.log import read_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from app.store.reads import Row
    from app.ui.page import View

_FIRST_EVENTS: Final = 100
_LAST_EVENTS: Final = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that was one thing when the collection last worked, and is one now."""

    what: str
    before: str
    now: str
    may_explain: bool = True
    """Rows and time differ whenever something fails."""

    @property
    def is_different(self) -> bool:
        return self.may_explain and self.before != self.now


async def show_task(view: View) -> Response:
    """Show a task."""
    stories = view.services.stories
    row = await find_task(view.services, view.request.path_params["task_id"], view.moment)
    key = TaskKeyOf(row["source"], row["collection"], row["created_at"], row["task"])
    status = Status(row["status"])
    neighbours = await stories.get_neighbours(key, view.moment)
    differences, compared_with = await _differences(stories, key, row) if status is Status.FAILED else ([], None)
    return view.render(
        "task.html",
        current="overview",
        task=row,
        id=task_id(row["source"], row["collection"], row["task"]),
        about=_about(view, row["source"], row["collection"]),
        condition=OF_STATUS[status].value,
        status=WORDS_OF_STATUS[status],
        is_active=status in ACTIVE,
        facts=_facts(row, view.now),
        waiting=row.get("waiting"),
        before=neighbours.before and task_id(row["source"], row["collection"], neighbours.before),
        after=neighbours.after and task_id(row["source"], row["collection"], neighbours.after),
        story=[
            (each["left_out"], entry_of(each["type"], each["at"], each["attempt"], each["worker"], each["data"]))
            for each in await stories.list_events(row["task"], _FIRST_EVENTS, _LAST_EVENTS, view.moment)
        ],
        log=await read_log(view, row),
        differences=differences,
        compared_with=compared_with,
    )


def _about(view: View, source: str, collection: str) -> About:
    """What people say about the collection; nothing if it is not in the catalogue any more."""
    found = view.services.catalogue().sources.get(source)
    return found.collections.get(collection, About()) if found else About()


def _facts(row: Row, now: datetime) -> list[str]:
    """What there is to say of a task in one line."""
    facts = []
    if row["started_at"]:
        until = row["finished_at"] or now
        facts.append(span_in_words((until - row["started_at"]).total_seconds()))
    if row["attempt"] > 1 or row["failures"]:
        facts.append(f"attempt {row['attempt']} of {row['max_attempts']}")
    facts.append(f"{row['rows']:,} rows")
    if progress := row.get("progress"):
        facts.append(f"{progress['records_read']:,} read")
        if progress.get("share") is not None:
            facts.append(f"{100 * progress['share']:.0f} %")
    return facts


async def _differences(stories: Stories, key: TaskKeyOf, row: Row) -> tuple[list[Difference], Mapping[str, Any] | None]:
    """What was different when the collection last worked, and the task that it was."""
    success = await stories.find_last_success(key)
    if success is None:
        return [], None
    then = await stories.find_last_start(success["task"], key.source)
    now = await stories.find_last_start(key.task, key.source)
    changes = await stories.list_schema_changes(
        key.source, key.collection, success["finished_at"], row["finished_at"] or datetime.now(UTC)
    )
    found = [
        Difference("configuration", *_digests(then, now)),
        Difference("connector", _connector(then), _connector(now)),
        Difference("release", _of(then, "release"), _of(now, "release")),
        Difference("worker", _of(then, "worker")[-12:], _of(now, "worker")[-12:]),
        Difference("columns", "as before", _changes(changes) or "as before"),
        Difference("rows", f"{success['rows']:,}", f"{row['rows']:,}", may_explain=False),
        Difference("time", _duration(success), _duration(row), may_explain=False),
    ]
    return found, {"id": task_id(key.source, key.collection, success["task"]), "at": success["finished_at"]}


def _of(start: Mapping[str, Any] | None, name: str) -> str:
    return str(start[name]) if start is not None and start[name] is not None else "–"


def _connector(start: Mapping[str, Any] | None) -> str:
    name, version = _of(start, "connector"), _of(start, "connector_version")
    return name if version == "–" else f"{name} {version}"


def _digests(then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> tuple[str, str]:
    """Digests tell only whether the configuration is the same, and only those of the same key do."""
    if _of(then, "digest_key_id") != _of(now, "digest_key_id"):
        return "–", "–"
    before, after = _of(then, "config_digest"), _of(now, "config_digest")
    return (before[:8], before[:8]) if before == after else (before[:8], f"changed: {after[:8]}")


def _changes(changes: Any) -> str:
    return "; ".join(f"{each['table_name']}: {', '.join(map(describe_change, each['changes']))}" for each in changes)


def _duration(row: Row) -> str:
    if row["started_at"] is None or row["finished_at"] is None:
        return "–"
    return span_in_words((row["finished_at"] - row["started_at"]).total_seconds())
