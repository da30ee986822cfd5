"""The time that the timeline shows, and what is still to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.about import About
from app.domain.condition import Condition, Facts
from app.ui.collection_states import CollectionState
from app.ui.pages.timeline import SPANS, _cells, _labels, period_around

NOW = datetime(2026, 11, 30, 21, 17, 3, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


def a_collection(
    schedule: str | None, next_fire_at: datetime | None, *, timezone: str = "UTC", **facts: datetime
) -> CollectionState:
    return CollectionState(
        source="s",
        collection="c",
        condition=Condition.FINE,
        facts=Facts(**facts),  # type: ignore[arg-type]
        schedule=schedule,
        timezone=timezone,
        next_fire_at=next_fire_at,
        last_task_uuid=None,
        paused_alone=True,
        about=About(),
    )


@pytest.mark.parametrize("span", [timedelta(minutes=1), FIVE_MINUTES, timedelta(minutes=20), timedelta(hours=10)])
def test_now_is_in_the_last_third_and_labels_are_round(span: timedelta) -> None:
    period = period_around(NOW, span)
    assert period.start + period.now * span <= NOW < period.start + (period.now + 1) * span
    assert 2 * SPANS // 3 <= period.now < 5 * SPANS // 6
    labels = [*_labels(period)]
    assert sum(width for width, _ in labels) == SPANS
    if span == FIVE_MINUTES:
        assert labels[0] == (6, "17:00")


def test_what_is_to_come_is_shown_once_for_each_span() -> None:
    period = period_around(NOW, FIVE_MINUTES)
    first = datetime(2026, 11, 30, 21, 18, tzinfo=UTC)
    cells = [*_cells(a_collection("*/2 * * * *", first), {}, period, NOW)]
    assert sum(cell.spans for cell in cells) == SPANS
    future = [cell for cell in cells if cell.state]
    # From the current span to the end, each with its first fire time.
    assert len(future) == SPANS - period.now
    assert future[0].about == "2026-11-30 21:18:00Z to come, in 57 s"
    assert future[1].about.startswith("2026-11-30 21:20:00Z to come")
    assert [cell.is_now for cell in future] == [True] + [False] * (len(future) - 1)


def test_what_is_due_waits_for_a_worker_to_decide() -> None:
    period = period_around(NOW, FIVE_MINUTES)
    first = datetime(2026, 11, 30, 21, 0, tzinfo=UTC)
    states = [cell.state for cell in _cells(a_collection("*/10 * * * *", first), {}, period, NOW) if cell.state]
    assert states[:3] == ["due", "due", "future"]


def test_a_pause_covers_what_is_to_come_until_it_ends() -> None:
    period = period_around(NOW, FIVE_MINUTES)
    first = datetime(2026, 11, 30, 21, 30, tzinfo=UTC)
    until = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
    paused = a_collection("*/30 * * * *", first, paused_since=NOW, paused_until=until)
    states = [(cell.about[11:16], cell.state) for cell in _cells(paused, {}, period, NOW) if cell.state]
    assert states[:3] == [("21:30", "paused"), ("22:00", "future"), ("22:30", "future")]


def test_schedules_keep_their_own_clock() -> None:
    period = period_around(NOW, timedelta(hours=10))
    first = datetime(2026, 12, 1, 1, 30, tzinfo=UTC)
    cells = _cells(a_collection("30 2 * * *", first, timezone="Europe/Berlin"), {}, period, NOW)
    assert {cell.about[11:19] for cell in cells if cell.state} == {"01:30:00"}


def test_without_a_schedule_there_is_nothing_but_now() -> None:
    period = period_around(NOW, FIVE_MINUTES)
    cells = [*_cells(a_collection(None, None), {}, period, NOW)]
    assert [(cell.spans, cell.is_now) for cell in cells] == [
        (period.now, False), (1, True), (SPANS - period.now - 1, False)
    ]  # fmt: skip
