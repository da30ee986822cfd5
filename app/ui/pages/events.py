"""The feed, newest first: what has happened, to what, and who has caused it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import orjson

from app.domain import events
from app.domain.choices import unknown_name
from app.domain.counts import count
from app.domain.feed import END, NOW, Place, Search, public_type, read_place
from app.domain.story import StoryEntry, entry_of
from app.domain.task import task_id, uuid_in
from app.domain.visible import make_visible
from app.ui.filters import read_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from starlette.responses import Response

    from app.domain.feed import FeedEvent
    from app.ui.filters import Filter
    from app.ui.page import View

MOST_ROWS: Final = 100
LONGEST_DOCUMENT: Final = 20_000
_QUALIFIERS: Final = ("type", "source", "collection", "task", "by")
_PROGRESS: Final = "progress"
_LEFT_OUT: Final = frozenset({events.PROGRESS_REPORTED})
"""Running attempts report so often that nothing else would be seen. Whoever asks for them by their type gets them."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event in words, and as the API sends it: as lines of text, of which `left_out` characters are not shown."""

    event: FeedEvent
    type: str
    entry: StoryEntry
    task: str | None
    lines: str
    left_out: int


@dataclass(frozen=True, slots=True)
class Shown:
    """The events of a page, newest first, and the places that the pages before and after it begin at."""

    events: Sequence[FeedEvent]
    older: Place | None
    newer: Place | None
    looked_at: int
    reached_at: datetime | None


async def show_events(view: View) -> Response:
    """Show the events that the filter takes, page by page; without a place the newest, and so on as they come."""
    query = view.request.query_params
    typed = query.get("q", "")
    wanted = read_filter(typed, _QUALIFIERS)
    search, problems = _search(wanted)
    try:
        before, after = _place(query.get("before")), _place(query.get("after"))
    except ValueError:
        problems.append("The address names no place of the feed; these are the newest events.")
        before = after = None
    shown = await _look(view, search, before, after)
    installation = await view.services.feed.get_installation()
    return view.render(
        "events.html",
        current="events",
        typed=typed,
        problems=problems,
        rows=[_row(each, installation) for each in shown.events],
        newest=shown.events[0].place if shown.events and shown.newer is None else None,
        older=shown.older and urlencode({"q": typed, "before": str(shown.older)}),
        newer=shown.newer and urlencode({"q": typed, "after": str(shown.newer)}),
        looked_at=count(shown.looked_at, "event") if len(shown.events) < MOST_ROWS and shown.older else None,
        reached_at=shown.reached_at,
        without_progress=search.without == _LEFT_OUT,
        progress=urlencode({"q": f"type:{_PROGRESS}"}),
        kept_from=None if shown.older else await view.services.feed.get_start(),
    )


async def _look(view: View, search: Search, before: Place | None, after: Place | None) -> Shown:
    """The events before a place, or after it; if there are none after it, or only a few, the newest."""
    feed, moment = view.services.feed, view.moment
    upto = moment.upto_xid
    if view.is_past and upto == END.position:
        upto = await feed.find_position_after(moment.upto_at)
    if after is not None:
        found = await feed.search_after(search, after, limit=MOST_ROWS, upto=upto)
        if found.more:
            there = [each for each in reversed(found.events) if each.at <= moment.upto_at]
            return Shown(there, there[-1].place if there else after, found.reached, found.looked_at, found.reached_at)
        before = None
    found = await feed.search_before(search, before or END, limit=MOST_ROWS, upto=upto)
    there = [each for each in found.events if each.at <= moment.upto_at]
    older = found.reached if found.more else None
    newer = None if before is None else (there[0].place if there else found.reached or before)
    return Shown(there, older, newer, found.looked_at, found.reached_at)


def _place(given: str | None) -> Place | None:
    """The place in the address; None for the newest events.

    Raises:
        ValueError: it is none.
    """
    place = read_place(given) if given else NOW
    return None if place == NOW else place


def _search(wanted: Filter) -> tuple[Search, list[str]]:
    """What the filter asks for, and what of it is not understood."""
    given, problems = wanted.qualifiers, [wanted.problem] if wanted.problem else []
    types, task = None, None
    if "type" in given:
        types = {type_ for type_ in events.TYPES if given["type"].lower() in public_type(type_)}
        if not types:
            problems.append(unknown_name("type of event", given["type"], map(public_type, events.TYPES)))
            types = None
    if "task" in given:
        try:
            task = uuid_in(given["task"])
        except ValueError:
            problems.append("'task:' takes the id of a task, or the UUID at its end.")
    search = Search(
        types=types,
        without=_LEFT_OUT if types is None else (),
        source=given.get("source"),
        collection=given.get("collection"),
        by=given.get("by"),
        words=wanted.words,
        task=task,
    )
    return search, problems


def _row(event: FeedEvent, installation: str) -> EventRow:
    data = orjson.loads(event.details)
    document = orjson.loads(event.document(installation))
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    of_task = event.source is not None and event.collection is not None and event.status is not None
    return EventRow(
        event,
        public_type(event.type),
        entry_of(event.type, event.at, event.attempt, event.worker, data),
        task_id(str(event.source), str(event.collection), event.place.task) if of_task else None,
        "\n".join(_visible_lines(text[:LONGEST_DOCUMENT])),
        max(0, len(text) - LONGEST_DOCUMENT),
    )


def _visible_lines(text: str) -> Iterator[str]:
    return map(make_visible, text.split("\n"))
