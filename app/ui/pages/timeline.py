"""The timeline: every fire time of the schedules, and what became of it or will."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from app.domain.counts import count
from app.domain.elapsed import ago_in_words
from app.domain.misfire import MissedReason
from app.domain.schedule import parse_schedule
from app.domain.task import task_id
from app.domain.timestamp import utc_in_words
from app.store.timeline import Spans
from app.ui.collection_states import QUALIFIERS
from app.ui.filters import read_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.responses import Response

    from app.ui.collection_states import CollectionState
    from app.ui.page import View

MOST_ROWS: Final = 40
SPANS: Final = 72
_AHEAD: Final = SPANS // 4
"""The minimum number of spans after the current one."""

_LABEL: Final = SPANS // 12
"""The spans from one label of the time axis to the next."""

_SPANS: Final = {
    "1h": timedelta(minutes=1),
    "6h": timedelta(minutes=5),
    "24h": timedelta(minutes=20),
    "7d": timedelta(hours=2, minutes=20),
    "30d": timedelta(hours=10),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL: Final = "6h"
_ICONS: Final = {
    "succeeded": "✓",
    "failed": "!",
    "running": "▸",
    "waiting": "…",
    "canceled": "×",
    "skipped": "≋",
    "missed": "∅",
    "paused": "‖",
    "started": "→",
    "due": "?",
    "future": "·",
}
_WORDS: Final = {
    "future": "to come",
    "due": "due; not yet picked up by a worker",
    "started": "started; the task is not kept any more",
    "skipped": "skipped: still running",
    "paused": "skipped: paused",
}
_REASONS: Final = {
    MissedReason.POLICY: "its misfire policy is 'skip'",
    MissedReason.COALESCED: "a later fire time has replaced it",
    MissedReason.OUTSIDE_WINDOW: "it was older than its misfire window",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """Some spans in a row: nothing, or one span with what matters most in it."""

    spans: int
    state: str = ""
    icon: str = ""
    about: str = ""
    task: str | None = None
    is_now: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """The time that is shown, in spans of equal length; `now` is the number of the current one, if it is shown."""

    start: datetime
    span: timedelta
    now: int

    @property
    def end(self) -> datetime:
        return self.start + SPANS * self.span

    def span_of(self, at: datetime) -> int:
        return (at - self.start) // self.span


async def show_timeline(view: View) -> Response:
    """Show the fire times of the collections that the filter takes, those that need somebody first."""
    query = view.request.query_params
    typed, chosen = query.get("q", ""), query.get("period", _USUAL)
    chosen = chosen if chosen in _SPANS else _USUAL
    wanted = read_filter(typed, QUALIFIERS)
    snapshot = await view.snapshots.get(view.moment)
    scheduled = [each for each in snapshot.matching(wanted) if each.schedule]
    rows = scheduled[:MOST_ROWS]
    now = view.now
    period = period_around(now, _SPANS[chosen])
    names = tuple((each.source, each.collection) for each in rows)
    found: dict[tuple[str, str], dict[int, Any]] = defaultdict(dict)
    spans = Spans(period.start, period.end, period.span.total_seconds())
    for row in await view.read(view.services.reader.list_outcomes, names, spans, view.moment):
        found[row["source"], row["collection"]][row["span"]] = row
    return view.render(
        "timeline.html",
        current="timeline",
        typed=typed,
        problem=wanted.problem,
        period=chosen,
        periods={name: urlencode({"q": typed, "period": name} if typed else {"period": name}) for name in _SPANS},
        start=period.start,
        end=period.end,
        labels=[*_labels(period)],
        rows=[(each, [*_cells(each, found[each.source, each.collection], period, now)]) for each in rows],
        spans=SPANS,
        left_out=len(scheduled) - len(rows),
        legend=[(state, icon, _WORDS.get(state, state)) for state, icon in _ICONS.items() if state != "started"],
    )


def period_around(now: datetime, span: timedelta) -> Period:
    """The period with `now` in it; its spans and its labels begin at multiples of their lengths."""
    label = _LABEL * span
    ends_after = now + _AHEAD * span - _EPOCH
    start = _EPOCH + (ends_after // label + 1) * label - SPANS * span
    return Period(start, span, (now - start) // span)


def _labels(period: Period) -> Iterator[tuple[int, str]]:
    """Labels of the time axis, each with the number of its spans."""
    form = "%H:%M" if period.end - period.start <= timedelta(days=1) else "%d %b"
    for first in range(0, SPANS, _LABEL):
        yield _LABEL, f"{period.start + first * period.span:{form}}"


def _cells(state: CollectionState, outcomes: Mapping[int, Any], period: Period, now: datetime) -> Iterator[Cell]:
    cells: dict[int, Cell] = {span: _outcome(row) for span, row in outcomes.items()}
    for span, cell in _future(state, period, now):
        cells.setdefault(span, cell)

    def kind(span: int) -> tuple[int, bool]:
        # What is empty is one cell up to the current span, which is always by itself.
        return (span if span in cells or span == period.now else -1, span > period.now)

    for (span, _), spans in groupby(range(SPANS), key=kind):
        cell = cells.get(span, Cell(len([*spans])) if span == -1 else Cell(1))
        yield Cell(cell.spans, cell.state, cell.icon, cell.about, cell.task, is_now=span == period.now)


def _outcome(row: Any) -> Cell:
    """What became of the fire times of a span."""
    state = row["state"]
    parts = [f"{utc_in_words(row['fire_time'])} {_WORDS.get(state, state)}"]
    if state == "missed":
        reason = _REASONS.get(row["reason"], row["reason"])
        parts.append(f"{reason}; decided at {utc_in_words(row['decided_at'])}")
    if row["fire_times"] > 1:
        parts.append(f"the most important of {count(row['fire_times'], 'fire time')} here")
    task = row["task"] and task_id(row["source"], row["collection"], row["task"])
    return Cell(1, state, _ICONS[state], ". ".join(parts), task)


def _future(state: CollectionState, period: Period, now: datetime) -> Iterator[tuple[int, Cell]]:
    """The fire times that nobody has decided about, most of them still to come: a cell for each span with some."""
    if state.schedule is None or state.next_fire_at is None:
        return
    schedule = parse_schedule(state.schedule, state.timezone)
    at: datetime | None = state.next_fire_at
    facts = state.facts
    while at is not None and at < period.end:
        span = period.span_of(at)
        is_paused = facts.paused_since is not None and (facts.paused_until is None or at < facts.paused_until)
        starts = at + state.delay
        if starts < now:
            kind, words = "due", "due; not yet picked up by a worker"
        else:
            kind, words = ("paused", "to come, and paused") if is_paused else ("future", "to come")
        if span >= 0:
            yield span, Cell(1, kind, _ICONS[kind], f"{utc_in_words(at)} {words}, {ago_in_words(starts, now)}")
        # To the next span: many fire times may lie in one.
        beyond = max(at, period.start + max(span + 1, 0) * period.span - timedelta(microseconds=1))
        at = schedule.next_after(beyond, state.next_fire_at)
