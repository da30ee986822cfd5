"""The checker accepts a legal history and rejects one that is broken, by the rule that was broken."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from app.domain import events
from tests.history.made import BEGIN, SECOND, WORKERS, a_history, projected
from tests.history.record import Acknowledged, Drain, History, OpenTransaction, ShownLine, StoredEvent
from tests.history.rules import (
    RULES,
    check,
    drains_hand_back,
    tasks_fail_only_where_they_are_made_to,
    workers_write_nothing_without_a_lease,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.domain.events import Event

BREAKS: dict[str, list[Callable[[History], History]]] = {}


def breaks(rule: str) -> Callable[[Callable[[History], History]], Callable[[History], History]]:
    def register(mutation: Callable[[History], History]) -> Callable[[History], History]:
        BREAKS.setdefault(rule, []).append(mutation)
        return mutation

    return register


@breaks("recorded_events_stay")
def an_update_is_accepted(history: History) -> History:
    return history.with_(changed=["UPDATE events"])


@breaks("followers_have_every_event_once")
def a_consumer_lacks_an_event(history: History) -> History:
    return history.with_(followed=[*history.feed[:3], *history.feed[4:]])


@breaks("followers_have_every_event_once")
def a_consumer_lacks_the_last_event(history: History) -> History:
    return history.with_(followed=history.feed[:-1])


@breaks("followers_have_every_event_once")
def a_consumer_has_an_event_twice(history: History) -> History:
    return history.with_(followed=[*history.feed[:3], *history.feed[2:]])


@breaks("followers_have_every_event_once")
def a_consumer_has_events_in_another_order(history: History) -> History:
    first, second, *rest = history.feed
    return history.with_(followed=[second, first, *rest])


@breaks("followers_have_every_event_once")
def a_consumer_has_an_event_that_nobody_has_recorded(history: History) -> History:
    return history.with_(followed=[*history.feed, f"99.{uuid4()}.1"])


@breaks("promised_tasks_are_there")
def a_promised_task_is_missing(history: History) -> History:
    return history.with_(posted=[*history.posted, uuid4()])


@breaks("requested_tasks_follow")
def the_task_that_was_to_follow_is_missing(history: History) -> History:
    return _without(history, lambda event: event.task == _first_of(history, "again", -1).task)


@breaks("requested_tasks_follow")
def the_task_that_follows_began_later(history: History) -> History:
    late = _first_of(history, "again", -1)
    return history.with_(
        events=[StoredEvent(one.event, one.xid + 1) if one.event is late else one for one in history.events]
    )


@breaks("shown_lines_are_there")
def a_shown_line_is_gone(history: History) -> History:
    return history.with_(shown=[ShownLine(history.lines[0].task, "gone")])


@breaks("logs_have_every_line")
def a_line_is_missing(history: History) -> History:
    return history.with_(lines=[line for line in history.lines if line != history.lines[1]])


@breaks("logs_have_every_line")
def a_success_kept_fewer_lines_than_it_wrote(history: History) -> History:
    return history.with_(logged={("s", "c"): 2})


@breaks("logs_tell_every_end")
def the_last_line_is_missing(history: History) -> History:
    return history.with_(lines=[line for line in history.lines if line.line < 3])


@breaks("logs_tell_every_end")
def two_attempts_of_a_task_changed_the_way_they_went_back(history: History) -> History:
    failed = _first(history, events.ATTEMPT_FAILED)
    return _went_back(history, failed, _first(history, events.ATTEMPT_HANDED_BACK, of=failed.task))


@breaks("logs_tell_every_end")
def attempts_of_two_tasks_changed_the_way_they_went_back(history: History) -> History:
    return _went_back(history, _first(history, events.ATTEMPT_FAILED), _first(history, events.ATTEMPT_RESCUED))


@breaks("logs_tell_every_end")
def an_attempt_failed_of_something_else(history: History) -> History:
    failed = _first(history, events.TASK_FAILED)
    return _changed(history, lambda event: event is failed, data={**failed.data, "error": "bang"}).with_(
        projections=None
    )


@breaks("lines_belong_to_tasks")
def a_log_has_no_task(history: History) -> History:
    return history.with_(lines=[*history.lines, replace(history.lines[-1], task=uuid4(), line=1)])


@breaks("streams_are_legal_lives")
def a_version_is_missing(history: History) -> History:
    return _without(history, lambda event: event.type == events.BOOKMARK_SAVED)


@breaks("streams_are_legal_lives")
def something_follows_the_end(history: History) -> History:
    last = next(s for s in history.events if s.event.type == events.TASK_SUCCEEDED)
    more = StoredEvent(replace(last.event, version=last.event.version + 1), last.xid)
    place = history.events.index(last) + 1
    return history.with_(events=[*history.events[:place], more, *history.events[place:]])


@breaks("streams_are_legal_lives")
def two_attempts_run_at_once(history: History) -> History:
    return _changed(history, lambda event: event.type == events.ATTEMPT_RESCUED, type=events.TASK_STARTED)


@breaks("streams_keep_their_order")
def transactions_turn(history: History) -> History:
    first, *others = history.events
    return history.with_(events=[StoredEvent(first.event, 10**9), *others])


@breaks("streams_keep_their_order")
def the_clock_turns(history: History) -> History:
    return _changed(history, lambda event: event.version == 2, at=BEGIN - SECOND)


@breaks("statuses_are_what_happened")
def a_status_is_wrong(history: History) -> History:
    return _changed(history, lambda event: event.type == events.TASK_SUCCEEDED, status="RUNNING")


@breaks("tasks_fail_only_where_they_are_made_to")
def a_task_failed_falsely(history: History) -> History:
    return history.with_(may_fail=frozenset())


@breaks("tasks_of_a_collection_follow_one_another")
def a_second_task_was_active(history: History) -> History:
    first = history.events[0].event.task
    return _without(history, lambda event: event.task == first and event.type == events.TASK_SUCCEEDED)


@breaks("tasks_of_a_collection_follow_one_another")
def a_second_task_ran_before_the_first_ended(history: History) -> History:
    first = history.events[0].event.task
    ends = BEGIN + timedelta(minutes=5)
    return _changed(history, lambda event: event.task == first and event.type == events.TASK_SUCCEEDED, at=ends)


@breaks("attempts_of_a_task_follow_one_another")
def an_attempt_was_left_out(history: History) -> History:
    return _changed(history, lambda event: event.attempt == 2, attempt=3)


@breaks("attempts_write_nothing_after_their_end")
def another_worker_saved_a_bookmark(history: History) -> History:
    return _changed(history, lambda event: event.type == events.BOOKMARK_SAVED, worker=WORKERS[1])


@breaks("attempts_write_nothing_after_their_end")
def a_line_came_after_the_rescue(history: History) -> History:
    rescued = next(s.event for s in history.events if s.event.type == events.ATTEMPT_RESCUED)
    late = [
        replace(line, at=rescued.at + SECOND) if (line.task, line.attempt, line.line) == (rescued.task, 1, 2) else line
        for line in history.lines
    ]
    return history.with_(lines=late)


@breaks("workers_write_nothing_without_a_lease")
def a_lost_worker_wrote(history: History) -> History:
    return history.with_(workers=[replace(history.workers[0], lease_until=BEGIN - timedelta(minutes=1))])


@breaks("workers_write_nothing_without_a_lease")
def a_lost_worker_wrote_after_another_lease_could_have_begun(history: History) -> History:
    lost = history.workers[0]
    last = max(stored.event.at for stored in history.events if stored.event.worker == lost.worker)
    return history.with_(workers=[replace(lost, lease_until=last - 4 * SECOND)])


@breaks("fire_times_have_one_outcome")
def a_fire_time_has_two_outcomes(history: History) -> History:
    return history.with_(fire_times=[*history.fire_times, history.fire_times[0]])


@breaks("fire_times_have_one_outcome")
def a_started_task_is_missing(history: History) -> History:
    first = history.events[0].event.task
    return _without(history, lambda event: event.task == first)


@breaks("fire_times_have_one_outcome")
def a_scheduled_task_has_no_fire_time(history: History) -> History:
    return history.with_(fire_times=history.fire_times[1:])


@breaks("fire_times_have_one_outcome")
def a_task_stands_for_another_fire_time(history: History) -> History:
    first, *others = history.fire_times
    return history.with_(fire_times=[replace(first, fire_time=first.fire_time - 10 * SECOND), *others])


@breaks("fire_times_have_one_outcome")
def a_skip_has_no_reason(history: History) -> History:
    return history.with_(fire_times=[replace(f, reason=None) for f in history.fire_times])


@breaks("schedules_leave_no_fire_time_out")
def a_fire_time_was_left_out(history: History) -> History:
    return history.with_(fire_times=[f for f in history.fire_times if f != history.fire_times[1]])


@breaks("schedules_leave_no_fire_time_out")
def the_next_fire_time_is_too_late(history: History) -> History:
    return history.with_(schedules=[replace(history.schedules[0], next_fire_at=BEGIN + 70 * SECOND)])


@breaks("schedules_leave_no_fire_time_out")
def a_schedule_never_fired(history: History) -> History:
    idle = replace(history.schedules[0], collection="idle")
    return history.with_(schedules=[*history.schedules, idle])


@breaks("schedules_leave_no_fire_time_out")
def a_fire_time_is_overdue(history: History) -> History:
    idle = replace(history.schedules[0], collection="idle", next_fire_at=BEGIN + 5 * SECOND)
    return history.with_(schedules=[*history.schedules, idle])


@breaks("schedules_leave_no_fire_time_out")
def a_schedule_has_ended(history: History) -> History:
    return history.with_(schedules=[replace(history.schedules[0], active=False)])


@breaks("skipped_fire_times_had_an_active_task")
def a_skip_had_no_overlap(history: History) -> History:
    lonely = replace(history.fire_times[1], collection="nobody")
    return history.with_(fire_times=[*history.fire_times, lonely])


@breaks("fire_times_are_skipped_only_in_pauses")
def a_skip_had_no_pause(history: History) -> History:
    paused = next(row for row in history.fire_times if row.reason == "paused")
    return history.with_(fire_times=[*history.fire_times, replace(paused, collection="nobody")])


@breaks("what_is_paused_starts_nothing")
def an_attempt_began_in_a_pause(history: History) -> History:
    started = next(one for one in history.events if one.event.type == events.TASK_STARTED)
    task = history.tasks[started.event.task]
    [fact] = history.facts
    data = {
        "source": task.source,
        "collection": task.collection,
        "until": (started.event.at + timedelta(seconds=1)).isoformat(),
    }
    begin = started.event.at - timedelta(seconds=11)
    return history.with_(facts=[fact, replace(fact, event=replace(fact.event, at=begin, data=data))])


@breaks("projections_equal_the_fold")
def verify_found_something(history: History) -> History:
    return history.with_(drifts=["tasks: expected 1, found 2"])


@breaks("projections_equal_the_fold")
def a_task_is_not_listed(history: History) -> History:
    return history.with_(projections=replace(projected(history), tasks=projected(history).tasks[1:]))


@breaks("projections_equal_the_fold")
def a_queue_row_outlived_its_task(history: History) -> History:
    stray = dict(projected(history).collections[0]) | {"collection": "stray"}
    return history.with_(projections=replace(projected(history), collections=[*projected(history).collections, stray]))


@breaks("projections_equal_the_fold")
def failures_are_miscounted(history: History) -> History:
    rows = [dict(row) | {"consecutive_failures": 7} for row in projected(history).collections]
    return history.with_(projections=replace(projected(history), collections=rows))


@breaks("projections_equal_the_fold")
def a_bookmark_is_old(history: History) -> History:
    rows = [dict(row) | {"bookmark": 1} for row in projected(history).bookmarks]
    return history.with_(projections=replace(projected(history), bookmarks=rows))


@breaks("projections_equal_the_fold")
def columns_are_old(history: History) -> History:
    rows = [dict(row) | {"columns": []} for row in projected(history).table_schemas]
    return history.with_(projections=replace(projected(history), table_schemas=rows))


@breaks("destinations_equal_their_sources")
def a_record_is_there_twice(history: History) -> History:
    return _copied(history, found={**history.copied[0].found, 3: 2})


@breaks("destinations_equal_their_sources")
def a_record_is_missing(history: History) -> History:
    return _copied(history, found={id_: 1 for id_ in history.copied[0].found if id_ != 3})


@breaks("destinations_equal_their_sources")
def a_record_came_before_its_bookmark(history: History) -> History:
    return _copied(history, bookmark=29)


@breaks("destinations_equal_their_sources")
def a_bookmark_came_before_its_records(history: History) -> History:
    found = {id_: 1 for id_ in history.copied[0].found if id_ <= 20}
    return _copied(history, found=found, complete=False)


@breaks("destinations_equal_their_sources")
def a_destination_is_empty(history: History) -> History:
    return _copied(history, found={}, bookmark=None, complete=False)


@breaks("destinations_equal_their_sources")
def the_end_of_the_source_is_missing(history: History) -> History:
    return _copied(history, found={id_: 1 for id_ in history.copied[0].found if id_ <= 20}, bookmark=20)


@breaks("no_transaction_stays_open")
def a_transaction_was_open(history: History) -> History:
    return history.with_(transactions=[OpenTransaction("syncline worker", timedelta(seconds=9), "idle")])


@breaks("drains_hand_back")
def a_drain_left_its_attempt_to_the_rescuer(history: History) -> History:
    return history.with_(drains=[Drain(11, BEGIN + 20 * SECOND, BEGIN + 21 * SECOND, 0)])


@breaks("drains_hand_back")
def a_drain_ended_badly(history: History) -> History:
    return history.with_(drains=[replace(history.drains[0], exit_code=1)])


def _first(history: History, type_: str, *, of: UUID | None = None) -> Event:
    found = (stored.event for stored in history.events)
    return next(event for event in found if event.type == type_ and of in {None, event.task})


def _first_of(history: History, collection: str, number: int) -> Event:
    """The first event of one of the tasks of a collection."""
    return [one.event for one in history.events if one.event.data.get("collection") == collection][number]


def _went_back(history: History, one: Event, other: Event) -> History:
    """The same history, but for the two events having each other's type."""
    changed = _changed(history, lambda event: event is one, type=other.type)
    return _changed(changed, lambda event: event is other, type=one.type)


def _changed(history: History, which: Callable[[Event], bool], **changes: Any) -> History:
    return history.with_(
        events=[
            StoredEvent(replace(stored.event, **changes), stored.xid) if which(stored.event) else stored
            for stored in history.events
        ]
    )


def _without(history: History, which: Callable[[Event], bool]) -> History:
    return history.with_(events=[stored for stored in history.events if not which(stored.event)])


def _copied(history: History, **changes: Any) -> History:
    return history.with_(copied=[replace(history.copied[0], **changes)])


def test_what_a_process_had_lost_before_it_was_told_to_stop_is_no_fault_of_the_drain() -> None:
    history = a_history()
    lost, active = history.workers
    drain = Drain(lost.pid, BEGIN + 20 * SECOND, BEGIN + 21 * SECOND, 0)
    assert check(history.with_(drains=[drain]))
    assert not check(history.with_(drains=[drain], workers=[lost, replace(active, pid=lost.pid)]))
    for since, is_excused in ((timedelta(0), True), (history.lease / 2, True), (history.lease * 0.75, False)):
        unrenewed = replace(lost, lease_until=drain.began + since)
        found = list(drains_hand_back(history.with_(drains=[drain], workers=[unrenewed, active])))
        assert (found == []) == is_excused


def test_old_tasks_may_have_been_dropped() -> None:
    history = a_history()
    first = history.events[0].event.task
    dropped = _without(history, lambda event: event.task == first).with_(
        lines=[line for line in history.lines if line.task != first],
        projections=None,
    )
    assert check(dropped) != []
    assert check(dropped.with_(kept_since=BEGIN + 15 * SECOND)) == []


def test_what_a_promoted_standby_has_forgotten_may_be_missing() -> None:
    history = a_history()
    task, line = uuid4(), replace(history.lines[0], message="shown, then forgotten")
    promised = history.with_(posted=[*history.posted, task], shown=[ShownLine(line.task, line.message)])
    assert {violation.rule for violation in check(promised)} == {"promised_tasks_are_there", "shown_lines_are_there"}
    assert check(promised.with_(forgotten=Acknowledged({task: ("s", "c")}, frozenset({line})))) == []
    others = Acknowledged({uuid4(): ("s", "c")}, frozenset({replace(line, message="another")}))
    assert check(promised.with_(forgotten=others)) == check(promised)
    first, *rest = history.feed
    followed = history.with_(followed=[first, lost := f"100.{task}.1", *rest])
    assert check(followed) != []
    assert check(followed.with_(forgotten=Acknowledged(events=frozenset({lost})))) == []


@pytest.mark.parametrize("rule", [tasks_fail_only_where_they_are_made_to, drains_hand_back])
def test_a_task_may_fail_if_a_destination_knows_a_newer_one_that_was_forgotten(
    rule: Callable[[History], Iterator[tuple[str, str]]],
) -> None:
    newest = UUID(int=2**128 - 1)
    error = (
        f"destination 'd': a newer attempt has written collection 'flaky' of source 's': task {newest}. If the store"
    )
    changed = [
        replace(one, event=replace(one.event, data={**one.event.data, "error": error}))
        if one.event.data.get("error") == "boom"
        else one
        for one in a_history().events
    ]
    failing = a_history().with_(events=changed, may_fail=frozenset(), drains=[Drain(12, BEGIN, BEGIN + SECOND, 0)])

    def accepts(forgotten: dict[UUID, tuple[str, str]]) -> bool:
        return not list(rule(failing.with_(forgotten=Acknowledged(forgotten))))

    assert accepts({newest: ("s", "flaky")})
    assert not accepts({})
    assert not accepts({newest: ("s", "c")}), "of another collection"
    assert not accepts({UUID(int=newest.int - 1): ("s", "flaky")}), "another task"


def test_an_attempt_that_outlives_a_promotion_leaves_out_the_numbers_of_forgotten_lines_only() -> None:
    history = a_history()
    gone = history.lines[1]
    holed = history.with_(lines=[line for line in history.lines if line != gone])
    assert check(holed) != []
    assert check(holed.with_(forgotten=Acknowledged(lines=frozenset({gone})))) == []
    assert check(holed.with_(forgotten=Acknowledged(lines=frozenset({replace(gone, attempt=9)})))) == check(holed)


def test_somebody_may_ask_for_the_end_of_what_a_lost_worker_had() -> None:
    history = a_lost_worker_wrote(a_history())
    asked = [replace(one, event=replace(one.event, type=events.CANCEL_REQUESTED)) for one in history.events]
    assert list(workers_write_nothing_without_a_lease(history))
    assert not list(workers_write_nothing_without_a_lease(history.with_(events=asked)))


def test_a_legal_history_is_accepted() -> None:
    assert check(a_history()) == []


@pytest.mark.parametrize(
    "mutation",
    [
        two_attempts_of_a_task_changed_the_way_they_went_back,
        attempts_of_two_tasks_changed_the_way_they_went_back,
        an_attempt_failed_of_something_else,
    ],
)
def test_how_an_attempt_ended_is_known_from_its_log_alone(mutation: Callable[[History], History]) -> None:
    assert {violation.rule for violation in check(mutation(a_history()))} == {"logs_tell_every_end"}


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert set(BREAKS) == {rule.__name__ for rules in RULES.values() for rule in rules}
    assert sorted(RULES) == list(range(1, 12))


@pytest.mark.parametrize(
    ("rule", "mutation"),
    [pytest.param(rule, mutation, id=mutation.__name__) for rule, found in BREAKS.items() for mutation in found],
)
def test_a_broken_history_is_rejected(rule: str, mutation: Callable[[History], History]) -> None:
    violations = check(mutation(a_history()))
    assert rule in {violation.rule for violation in violations}, violations
