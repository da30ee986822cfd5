"""The eleven invariants of docs/reliability.md over a history: pure, from plain values to what is wrong with them.

Times are the database's. Where a rule compares times that two transactions read while one waited for the other, it
allows for the wait; where the order of events decides, it goes by versions.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from app.domain import events
from app.domain.errors import SynclineError
from app.domain.schedule import parse_schedule
from app.domain.task import TERMINAL, Status, Task, fold
from tests.history.projected import wrong_projections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from app.domain.events import Event
    from tests.history.record import FireTime, History, Key, ScheduleRow

# What a statement may have waited for a lock between reading the clock and writing what it read.
WAIT: Final = timedelta(seconds=10)
LONGEST_TRANSACTION: Final = timedelta(seconds=2)

_STATUS_AFTER: Final = {
    events.TASK_SCHEDULED: "SCHEDULED",
    events.TASK_STARTED: "RUNNING",
    events.BOOKMARK_SAVED: "RUNNING",
    events.PROGRESS_REPORTED: "RUNNING",
    events.SCHEMA_CHANGED: "RUNNING",
    events.CONFIG_RENEWED: "RUNNING",
    events.CANCEL_REQUESTED: "RUNNING",
    events.ATTEMPT_FAILED: "SCHEDULED",
    events.ATTEMPT_RESCUED: "SCHEDULED",
    events.ATTEMPT_HANDED_BACK: "SCHEDULED",
    events.TASK_SUCCEEDED: "SUCCESS",
    events.TASK_FAILED: "FAILED",
    events.TASK_CANCELED: "CANCELED",
}
_NOT_BY_A_DRAIN: Final = {events.ATTEMPT_FAILED, events.ATTEMPT_RESCUED, events.TASK_FAILED}
# What the log says of the end of an attempt, or of its task; `{}` is the attempt.
_LAST_WORDS: Final = {
    events.ATTEMPT_FAILED: "] attempt {} failed",
    events.ATTEMPT_RESCUED: "] attempt {} is taken over",
    events.ATTEMPT_HANDED_BACK: "] attempt {} was handed back",
    events.TASK_SUCCEEDED: "] FINISHED SUCCESSFULLY",
    events.TASK_FAILED: "] FINISHED WITH ERROR",
    events.TASK_CANCELED: "] CANCELED",
}
_ENDS_ATTEMPT: Final = _LAST_WORDS.keys()
_WITH_ERROR: Final = {events.ATTEMPT_FAILED, events.ATTEMPT_RESCUED, events.TASK_FAILED}


@dataclass(frozen=True, slots=True)
class Violation:
    """A place where a history breaks an invariant (1 to 11, as docs/reliability.md numbers them)."""

    invariant: int
    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        """One line."""
        return f"invariant {self.invariant}, {self.rule}: {self.where}: {self.what}"


def check(history: History) -> list[Violation]:
    """All that is wrong with a history; nothing when every invariant holds."""
    return [
        Violation(invariant, rule.__name__, where, what)
        for invariant, rules in RULES.items()
        for rule in rules
        for where, what in rule(history)
    ]


def recorded_events_stay(history: History) -> Iterator[tuple[str, str]]:
    for change in history.changed:
        yield change, "the database did not refuse it"


def promised_tasks_are_there(history: History) -> Iterator[tuple[str, str]]:
    for task in history.posted:
        known = task in history.streams or task in history.forgotten.tasks
        if not known and not _may_be_dropped(history, task):
            yield str(task), "the API has promised this task, and there is no event of it"


def requested_tasks_follow(history: History) -> Iterator[tuple[str, str]]:
    """A task that was to be followed has ended in the transaction in which the next one began.

    If the store had lost the row of the collection, the next one may have begun in any transaction since the request.
    """
    began: dict[Key, list[int]] = defaultdict(list)
    asked: dict[UUID, int] = {}
    ended: dict[UUID, int] = {}
    for stored in history.events:
        event = stored.event
        if event.type == events.TASK_SCHEDULED:
            began[event.data["source"], event.data["collection"]].append(stored.xid)
        elif event.type == events.RUN_AGAIN_REQUESTED:
            asked[event.task] = stored.xid
        elif event.type in events.TERMINAL:
            ended[event.task] = stored.xid
    for id_ in asked.keys() & ended.keys() & history.tasks.keys():
        task = history.tasks[id_]
        follows = any(asked[id_] <= xid <= ended[id_] for xid in began[task.source, task.collection])
        if not follows and not _may_be_dropped(history, id_):
            yield str(id_), "it was to be followed by another task, and has ended without one"


def shown_lines_are_there(history: History) -> Iterator[tuple[str, str]]:
    kept = {(line.task, line.message) for line in (*history.lines, *history.forgotten.lines)}
    for shown in history.shown:
        if (shown.task, shown.message) not in kept and not _may_be_dropped(history, shown.task):
            yield str(shown.task), f"the API has shown this line, and it is gone: {shown.message}"


def logs_have_every_line(history: History) -> Iterator[tuple[str, str]]:
    """Lines are numbered 0, 1, 2, … in each attempt; a successful one has all that its collection writes.

    Before the first attempt there is only the line of a cancellation.

    An attempt that outlives a promotion goes on with its numbers after the lines that were forgotten.
    """
    numbers: dict[tuple[UUID, int], list[int]] = defaultdict(list)
    for line in history.lines:
        numbers[line.task, line.attempt].append(line.line)
    forgotten = {(line.task, line.attempt, line.line) for line in history.forgotten.lines}
    for (task, attempt), found in numbers.items():
        first = 0 if attempt else 1
        holes = set(range(first, max(found))).difference(found)
        found += [line for line in holes if (task, attempt, line) in forgotten]
        if sorted(found) != list(range(first, first + len(found))):
            yield f"{task}, attempt {attempt}", f"the log's lines are numbered {_shortened(found)}"
    for id_, ended in history.tasks.items():
        wanted = history.logged.get((ended.source, ended.collection))
        if wanted is not None and ended.status is Status.SUCCESS and len(numbers[id_, ended.attempt]) < wanted + 2:
            yield f"{id_}, attempt {ended.attempt}", f"a success wrote {wanted} lines and kept fewer"


def logs_tell_every_end(history: History) -> Iterator[tuple[str, str]]:
    """The last lines of an attempt's log tell how it ended; what was canceled while it waited has one more."""
    lines: dict[tuple[UUID, int], list[str]] = defaultdict(list)
    for line in history.lines:
        lines[line.task, line.attempt].append(line.message)
    for id_ in history.tasks:
        ends: dict[int, list[Event]] = defaultdict(list)
        for event in history.streams[id_]:
            if event.type in _ENDS_ATTEMPT:
                ends[event.attempt].append(event)
        for attempt, ended in ends.items():
            last = lines[id_, attempt][-len(ended) :]
            missing = [""] * (len(ended) - len(last))
            for end, message in zip(ended, [*last, *missing], strict=True):
                if not _tells(message, end):
                    yield f"{id_}, version {end.version}", f"{end.type}, and its log says: {message or 'nothing'}"


def lines_belong_to_tasks(history: History) -> Iterator[tuple[str, str]]:
    for task in {line.task for line in history.lines}.difference(history.streams):
        if not _may_be_dropped(history, task):
            yield str(task), "there are log lines of a task without events"


def streams_are_legal_lives(history: History) -> Iterator[tuple[str, str]]:
    """Folding refuses gaps, steps that the state does not allow, and whatever follows the end."""
    for id_, stream in history.streams.items():
        try:
            fold(stream)
        except (SynclineError, KeyError, ValueError) as error:
            yield str(id_), f"no legal life of a task: {error}"


def streams_keep_their_order(history: History) -> Iterator[tuple[str, str]]:
    """Neither the clock nor the order of transactions turns within a stream."""
    last: dict[UUID, tuple[int, datetime]] = {}
    for stored in history.events:
        event = stored.event
        xid, at = last.get(event.task, (0, event.at))
        if stored.xid < xid:
            yield f"{event.task}, version {event.version}", "its transaction is older than that of the version before"
        if event.at < at:
            yield f"{event.task}, version {event.version}", "it is earlier than the version before"
        last[event.task] = (stored.xid, event.at)


def statuses_are_what_happened(history: History) -> Iterator[tuple[str, str]]:
    """Every event states the status after it."""
    for stored in history.events:
        event = stored.event
        if event.status != _STATUS_AFTER.get(event.type, event.status):
            yield f"{event.task}, version {event.version}", f"{event.type} states {event.status}"


def tasks_fail_only_where_they_are_made_to(history: History) -> Iterator[tuple[str, str]]:
    if history.may_fail is not None:
        for id_, task in history.tasks.items():
            is_meant = (task.source, task.collection) in history.may_fail
            if task.status is Status.FAILED and not is_meant and not _is_overtaken(history, task, task.error):
                yield str(id_), f"{task.source}/{task.collection} FAILED: {task.error}"


def tasks_of_a_collection_follow_one_another(history: History) -> Iterator[tuple[str, str]]:
    """The ids of a collection's tasks grow; none begins to run before the one ahead of it has ended."""
    lives: dict[Key, list[Task]] = defaultdict(list)
    for task in history.tasks.values():
        lives[task.source, task.collection].append(task)
    for key, tasks in lives.items():
        tasks.sort(key=lambda task: task.task)
        for ahead, task in itertools.pairwise(tasks):
            where = f"{'/'.join(key)}, tasks {ahead.task} and {task.task}"
            if ahead.finished_at is None:
                yield where, "the second was queued while the first was active"
            elif task.started_at is not None and task.started_at < ahead.finished_at:
                yield where, f"the second ran from {task.started_at}, the first until {ahead.finished_at}"
            elif task.created_at < ahead.finished_at - WAIT:
                yield where, f"the second was queued at {task.created_at}, the first ended at {ahead.finished_at}"


def attempts_of_a_task_follow_one_another(history: History) -> Iterator[tuple[str, str]]:
    for id_ in history.tasks:
        started = [event.attempt for event in history.streams[id_] if event.type == events.TASK_STARTED]
        if started != list(range(1, len(started) + 1)):
            yield str(id_), f"its attempts are numbered {_shortened(started)}"


def attempts_write_nothing_after_their_end(history: History) -> Iterator[tuple[str, str]]:
    """No event of an attempt comes after its end, none is another worker's, and no line is younger than the end."""
    ends: dict[tuple[UUID, int], datetime] = {}
    for id_ in history.tasks:
        owner: UUID | None = None
        for event in history.streams[id_]:
            where = f"{id_}, version {event.version}"
            if event.type == events.TASK_STARTED:
                owner = event.worker
            elif event.worker is not None and event.worker != owner:
                yield where, f"{event.type} by worker {event.worker}, while the attempt was {owner}'s"
            if event.type in _ENDS_ATTEMPT:
                ends.setdefault((event.task, event.attempt), event.at)
                owner = None
    for line in history.lines:
        end = ends.get((line.task, line.attempt))
        if end is not None and line.at > end and not _tells_a_cancellation(history, line.task, line.at):
            yield f"{line.task}, attempt {line.attempt}", f"line {line.line} was written after the end: {line.message}"


def workers_write_nothing_without_a_lease(history: History) -> Iterator[tuple[str, str]]:
    """A statement looks at the lease before it waits for rows; nobody locks those for as long as a lease."""
    lost = {row.worker: row.lease_until for row in history.workers if row.state == "lost"}
    for stored in history.events:
        event = stored.event
        # Somebody else asks for the end of what the worker had.
        if event.type == events.CANCEL_REQUESTED:
            continue
        if event.worker in lost and event.at > lost[event.worker] + history.lease:
            yield f"{event.task}, version {event.version}", f"written after the lease of {event.worker} was over"


def fire_times_have_one_outcome(history: History) -> Iterator[tuple[str, str]]:
    """Each is in the ledger once; one that started has its task, and a schedule's task has its fire time."""
    for (key, at), times in Counter((row.key, row.fire_time) for row in history.fire_times).items():
        if times > 1:
            yield f"{'/'.join(key)} at {at}", f"{times} outcomes"
    started = Counter(row.task for row in history.fire_times if row.outcome == "started")
    for row in history.fire_times:
        if flaw := _flaw(history, row, started):
            yield f"{'/'.join(row.key)} at {row.fire_time}", flaw
    for id_, task in history.tasks.items():
        if task.trigger == "schedule" and id_ not in started and not _may_be_dropped(history, id_):
            yield str(id_), f"no fire time of {task.source}/{task.collection} has started it"


def schedules_leave_no_fire_time_out(history: History) -> Iterator[tuple[str, str]]:
    """From the first event to the schedule's own next fire time there is no hole in the ledger, and none is overdue."""
    if not history.events:
        return
    times_seen = [stored.event.at for stored in history.events]
    begin, end = min(times_seen), max(times_seen)
    ledger: dict[Key, list[datetime]] = defaultdict(list)
    for row in history.fire_times:
        ledger[row.key].append(row.fire_time)
    for schedule in history.schedules:
        if schedule.steady and not schedule.active:
            yield "/".join(schedule.key), "it has ended, and its collection is still there"
        elif schedule.steady:
            name, comes = "/".join(schedule.key), schedule.next_fire_at
            times = sorted(ledger[schedule.key])
            for fire_time, found in zip(times, [*times[1:], comes], strict=bool(times)):
                if (wanted := _next(schedule, fire_time)) != found:
                    yield f"{name} after {fire_time}", f"comes {wanted}, found {found}"
            latest = _next(schedule, begin + WAIT)
            if not times and latest is not None and (comes is None or comes > latest):
                yield name, f"never fired, its first fire time was at {latest} or before, found {comes}"
            if comes is not None and comes < end - WAIT:
                yield name, f"was due at {comes}, and nobody has decided until {end}"


def skipped_fire_times_had_an_active_task(history: History) -> Iterator[tuple[str, str]]:
    lives: dict[Key, list[Task]] = defaultdict(list)
    for task in history.tasks.values():
        lives[task.source, task.collection].append(task)
    for row in history.fire_times:
        dropped = history.kept_since is not None and row.decided_at < history.kept_since
        is_overlap = row.outcome == "skipped" and row.reason == "overlap"
        if is_overlap and not dropped and not any(_active(t, row.decided_at) for t in lives[row.key]):
            yield f"{'/'.join(row.key)} at {row.fire_time}", "skipped for an overlap, and no task was active"


def fire_times_are_skipped_only_in_pauses(history: History) -> Iterator[tuple[str, str]]:
    for row in history.fire_times:
        if row.outcome != "skipped" or row.reason != "paused":
            continue
        pauses = history.pauses.get(row.key, [])
        if not any(begin <= row.decided_at and row.fire_time < end for begin, end in pauses):
            yield f"{'/'.join(row.key)} at {row.fire_time}", "skipped for a pause, and there was none"


def what_is_paused_starts_nothing(history: History) -> Iterator[tuple[str, str]]:
    """A claim may have begun before the pause, and waited as long as any statement may."""
    for stored in history.events:
        event = stored.event
        task = history.tasks.get(event.task)
        if event.type != events.TASK_STARTED or task is None:
            continue
        for begin, end in history.pauses.get((task.source, task.collection), ()):
            if begin + WAIT < event.at < end:
                yield str(event.task), f"attempt {event.attempt} began at {event.at}, in the pause since {begin}"


def projections_equal_the_fold(history: History) -> Iterator[tuple[str, str]]:
    for drift in history.drifts:
        yield "syncline projections verify", drift
    if history.projections is not None:
        yield from wrong_projections(history, history.projections)


def destinations_equal_their_sources(history: History) -> Iterator[tuple[str, str]]:
    """No row twice, none that the source does not have, none missing up to the bookmark that stands for them."""
    for copied in history.copied:
        where = f"{copied.source}/{copied.collection} in {copied.destination}"
        if copied.bookmark is None:
            yield where, "nothing has been copied"
        if twice := sorted(id_ for id_, times in copied.found.items() if times > 1):
            yield where, f"records are there twice: {_shortened(twice)}"
        if strange := sorted(copied.found.keys() - copied.wanted):
            yield where, f"records are there that the source does not have: {_shortened(strange)}"
        reached = copied.wanted if copied.complete else {id_ for id_ in copied.wanted if id_ <= (copied.bookmark or 0)}
        if missing := sorted(reached - copied.found.keys()):
            yield where, f"records are missing: {_shortened(missing)} (bookmark {copied.bookmark})"
        if beyond := sorted(id_ for id_ in copied.found if id_ > (copied.bookmark or 0)):
            yield where, f"records are there that no bookmark stands for: {_shortened(beyond)}"


def no_transaction_stays_open(history: History) -> Iterator[tuple[str, str]]:
    for seen in history.transactions:
        if seen.age > LONGEST_TRANSACTION:
            yield seen.application, f"a transaction was open for {seen.age}: {seen.statement}"


def drains_hand_back(history: History) -> Iterator[tuple[str, str]]:
    """What a stopping worker leaves is finished or handed back: not failed, and not left to the rescuer."""
    for drain in history.drains:
        if drain.exit_code != 0:
            yield f"process {drain.pid}", f"ended with exit code {drain.exit_code}"
    began = {drain.pid: drain.began for drain in history.drains}
    # A process that lost a lease before is another worker since: what it lost is the rescuer's. A worker renews its
    # lease when a quarter of it is over; one that had not for half of it had lost the database before it had to stop.
    newest = {row.pid: row for row in sorted(history.workers, key=lambda row: row.worker)}
    drained = {
        row.worker: began[pid]
        for pid, row in newest.items()
        if pid in began and row.lease_until > began[pid] + history.lease / 2
    }
    for id_, task in history.tasks.items():
        if (task.source, task.collection) in (history.may_fail or ()):
            continue
        owner: UUID | None = None
        for event in history.streams[id_]:
            owner = event.worker if event.type == events.TASK_STARTED else owner
            if owner is None or owner not in drained or event.type not in _NOT_BY_A_DRAIN:
                continue
            if event.at >= drained[owner] and not _is_overtaken(history, task, event.data.get("error")):
                yield (
                    f"{event.task}, version {event.version}",
                    f"{event.type}, its worker {owner} was stopping from {drained[owner]}",
                )


def followers_have_every_event_once(history: History) -> Iterator[tuple[str, str]]:
    """In the order of the feed. Beside these, a consumer may have what a promoted standby has forgotten."""
    if history.followed is None:
        return
    known = frozenset(history.feed)
    seen = [id_ for id_ in history.followed if id_ in known]
    for number, (wanted, found) in enumerate(itertools.zip_longest(history.feed, seen)):
        if wanted != found:
            yield f"event {number} of the feed", f"it is {wanted}, and the consumer has {found}"
            break
    for id_ in history.followed:
        if id_ not in known and id_ not in history.forgotten.events:
            yield id_, "the consumer has this event, and the store does not"


RULES: Final[dict[int, tuple[Callable[[History], Iterator[tuple[str, str]]], ...]]] = {
    1: (
        recorded_events_stay,
        promised_tasks_are_there,
        requested_tasks_follow,
        shown_lines_are_there,
        logs_have_every_line,
        logs_tell_every_end,
        lines_belong_to_tasks,
    ),
    2: (
        streams_are_legal_lives,
        streams_keep_their_order,
        statuses_are_what_happened,
        tasks_fail_only_where_they_are_made_to,
    ),
    3: (tasks_of_a_collection_follow_one_another, attempts_of_a_task_follow_one_another),
    4: (attempts_write_nothing_after_their_end, workers_write_nothing_without_a_lease),
    5: (fire_times_have_one_outcome, schedules_leave_no_fire_time_out, skipped_fire_times_had_an_active_task),
    6: (projections_equal_the_fold,),
    7: (destinations_equal_their_sources,),
    8: (no_transaction_stays_open,),
    9: (drains_hand_back,),
    10: (followers_have_every_event_once,),
    11: (what_is_paused_starts_nothing, fire_times_are_skipped_only_in_pauses),
}


def _may_be_dropped(history: History, task: UUID) -> bool:
    """Whether retention may have dropped a task: the first 48 bits of its id are when it was asked for, in ms."""
    if history.kept_since is None:
        return False
    return datetime.fromtimestamp((task.int >> 80) / 1000, UTC) < history.kept_since


def _is_overtaken(history: History, task: Task, error: str | None) -> bool:
    """Whether an attempt failed because a destination knows a newer task that the store has forgotten."""
    key = task.source, task.collection
    newer = [str(id_) for id_, forgotten in history.forgotten.tasks.items() if forgotten == key and id_ > task.task]
    return any(
        f"a newer attempt has written collection {key[1]!r} of source {key[0]!r}: task {id_}." in (error or "")
        for id_ in newer
    )


def _tells(message: str, end: Event) -> bool:
    """Whether a line says what the event says: how the attempt ended, and with which error."""
    error = end.data.get("error", "") if end.type in _WITH_ERROR else ""
    return _LAST_WORDS[end.type].format(end.attempt) in message and error in message


def _tells_a_cancellation(history: History, task: UUID, at: datetime) -> bool:
    """Whether a line is the last one of a task that was canceled while it waited for its next attempt."""
    last: Event = history.streams[task][-1]
    return last.type == events.TASK_CANCELED and last.worker is None and at <= last.at


def _flaw(history: History, row: FireTime, started: Counter[UUID | None]) -> str | None:
    if row.outcome != "started":
        return None if row.task is None and row.reason else f"{row.outcome}, with reason {row.reason}, task {row.task}"
    if row.task is None or started[row.task] > 1:
        return f"task {row.task} was started by {started[row.task]} fire times"
    task = history.tasks.get(row.task)
    if task is None:
        missing = row.task not in history.streams and not _may_be_dropped(history, row.task)
        return f"its task {row.task} is not there" if missing else None
    if (task.source, task.collection, task.fire_time) != (*row.key, row.fire_time):
        return f"its task {row.task} is that of {task.source}/{task.collection} at {task.fire_time}"
    return None


def _next(row: ScheduleRow, fire_time: datetime) -> datetime | None:
    return parse_schedule(row.expression, row.timezone).next_after(fire_time, fire_time)


def _active(task: Task, at: datetime) -> bool:
    return task.created_at - WAIT <= at and (task.status not in TERMINAL or at <= (task.finished_at or at) + WAIT)


def _shortened(values: Sequence[Any]) -> str:
    shown = ", ".join(map(str, values[:8]))
    return f"{shown}, … ({len(values)} in all)" if len(values) > 8 else shown
