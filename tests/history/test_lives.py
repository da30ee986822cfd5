"""The checker over many made-up lives: whatever happens legally is accepted, whatever is changed in it is found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain import events
from tests.history.made import SECOND, WORKERS, Maker
from tests.history.record import History, StoredEvent, WorkerRow
from tests.history.rules import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.events import Event

_ATTEMPT_ENDS = (events.ATTEMPT_FAILED, events.ATTEMPT_RESCUED, events.ATTEMPT_HANDED_BACK)
_TASK_ENDS = (events.TASK_SUCCEEDED, events.TASK_FAILED, events.TASK_CANCELED)
# One task: how its attempts end, each with the bookmarks that it saves and its worker, and how it ends itself.
_attempts = st.lists(st.tuples(st.sampled_from(_ATTEMPT_ENDS), st.integers(0, 2), st.sampled_from(WORKERS)), max_size=3)
# And whether it is followed by one more.
_life = st.tuples(st.sampled_from(["a", "b"]), _attempts, st.sampled_from(_TASK_ENDS), st.booleans())


def history_of(lives: Sequence[tuple[str, Sequence[tuple[str, int, Any]], str, bool]]) -> History:
    made = Maker()
    for collection, attempts, end, is_followed in lives:
        task = made.scheduled(collection)
        if is_followed:
            made.asked_again(task)
        for how, bookmarks, worker in attempts:
            made.started(task, worker)
            for number in range(bookmarks):
                made.saved(task, number)
            made.ended(task, how, error="boom")
        if end != events.TASK_CANCELED:
            made.started(task)
        made.ended(task, end, error="boom")
        if is_followed:
            following = made.followed(task)
            made.started(following)
            made.ended(following)
    later = made.now + SECOND
    return made.history(workers=[WorkerRow(worker, 1, "active", later) for worker in WORKERS])


histories = st.lists(_life, min_size=1, max_size=4).map(history_of)


@given(histories)
def test_legal_lives_are_accepted(history: History) -> None:
    assert check(history) == []


@given(histories, st.data())
def test_a_lost_event_is_found(history: History, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(history.events) - 1))
    kept = [stored for number, stored in enumerate(history.events) if number != place]
    assert check(history.with_(events=kept))


@given(histories, st.data())
def test_an_event_that_came_twice_is_found(history: History, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(history.events) - 1))
    twice = [*history.events[: place + 1], *history.events[place:]]
    assert check(history.with_(events=twice))


@given(histories, st.data())
def test_two_events_that_changed_places_are_found(history: History, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(history.events) - 1))
    stored = history.events[place]
    other = data.draw(st.sampled_from([s for s in history.events if s.event.task == stored.event.task]))
    assume(_tells_apart(history, stored.event, other.event))
    assert check(_exchanged(history, stored, other))


@given(histories, st.data())
def test_ways_back_into_the_queue_that_changed_places_are_found(history: History, data: st.DataObject) -> None:
    back = [stored for stored in history.events if stored.event.type in _ATTEMPT_ENDS]
    assume(len({stored.event.type for stored in back}) > 1)
    one = data.draw(st.sampled_from(back))
    other = data.draw(st.sampled_from([stored for stored in back if stored.event.type != one.event.type]))
    assert check(_exchanged(history, one, other))


@given(histories, st.data())
def test_a_log_line_that_is_lost_is_found(history: History, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(history.lines))
    assert check(history.with_(lines=[line for line in history.lines if line is not lost]))


def _exchanged(history: History, stored: StoredEvent, other: StoredEvent) -> History:
    swapped = {
        id(stored): _with_what_happened(stored.event, other.event),
        id(other): _with_what_happened(other.event, stored.event),
    }
    changed = [StoredEvent(swapped.get(id(one), one.event), one.xid) for one in history.events]
    return history.with_(events=changed)


def _tells_apart(history: History, one: Event, other: Event) -> bool:
    """Whether something is left that shows which of the two was first.

    Of a collection's bookmarks only the last one is kept elsewhere.
    """
    if one.type == other.type == events.BOOKMARK_SAVED:
        collection = history.tasks[one.task].collection
        saved = [stored.event for stored in history.events if stored.event.type == events.BOOKMARK_SAVED]
        last = [event for event in saved if history.tasks[event.task].collection == collection][-1]
        return one.data != other.data and (last is one or last is other)
    return one.type != other.type


def _with_what_happened(event: Event, other: Event) -> Event:
    return replace(event, type=other.type, status=other.status, data=other.data)
