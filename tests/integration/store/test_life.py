"""The life of tasks against the real store, made up by Hypothesis: after every step the tables equal the fold."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain.errors import LeaseLostError
from app.domain.task import Status, Task, fold
from app.store.log import append_lines
from tests.harness import a_task, canceled, ending, opened_store
from tests.integration.store.statements import LEASES, numbered
from tests.properties import examples
from tests.servers.postgres import create_database, drop_database

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from uuid import UUID

    from app.domain.claim import Claim
    from tests.harness import Store

COLLECTIONS = ("a", "b")
POOLS = ("default", "eu")
LEASE = timedelta(minutes=1)
LISTED = [
    *("task", "source", "collection", "source_type", "trigger", "fire_time", "priority", "max_attempts", "status"),
    *("attempt", "failures", "rows", "error", "created_at", "started_at", "finished_at", "version", "backfill"),
]
HEAD = [
    *(column for column in LISTED if column != "finished_at"),
    *("run_at", "worker", "cancel_requested", "claim", "changed_at", "pool", "line", "again"),
]


class Life(RuleBasedStateMachine):
    """Two collections, workers that come and are lost, claims that are kept long after they were good."""

    store: Store
    runner: asyncio.Runner

    workers = Bundle("workers")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[UUID, Task] = {}
        self.lost: set[UUID] = set()
        self.line = 0
        self.run(
            self.store.admin.execute(
                "TRUNCATE syncline.collections, syncline.tasks, syncline.workers, syncline.bookmarks"
            )
        )
        self.since = self.run(self.store.pool.fetchval("SELECT syncline.clock()"))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    @rule(target=workers)
    def register(self) -> UUID:
        worker: UUID = self.run(self.store.worker(lease=LEASE))
        return worker

    @rule(collection=st.sampled_from(COLLECTIONS), max_attempts=st.integers(1, 3), pool=st.sampled_from(POOLS))
    def schedule(self, collection: str, max_attempts: int, pool: str) -> None:
        busy = self.active(collection)
        task, new = self.run(self.store.queue.schedule(a_task(collection, max_attempts=max_attempts, pool=pool)))
        assert new == (busy is None)
        assert busy is None or busy.task == task
        begun = self.active(collection)
        assert begun is not None
        assert not new or begun.pool == pool

    @rule(collection=st.sampled_from(COLLECTIONS), pool=st.sampled_from(POOLS))
    def schedule_again(self, collection: str, pool: str) -> None:
        busy = self.active(collection)
        task, new = self.run(self.store.queue.schedule(a_task(collection, pool=pool), again=True))
        assert new == (busy is None)
        assert busy is None or busy.task == task
        now = self.active(collection)
        assert now is not None
        asked_before = busy is not None and busy.again is not None
        assert (now.again is not None) == (now.attempt > 0)
        assert not asked_before or now == busy

    @rule(target=claims, worker=workers, limit=st.integers(1, 2), pools=st.sampled_from([POOLS, POOLS[:1], POOLS[1:]]))
    def claim(self, worker: UUID, limit: int, pools: tuple[str, ...]) -> Any:
        queued = [task for task in map(self.active, COLLECTIONS) if task and task.status == "SCHEDULED"]
        due = [task for task in queued if task.pool in pools]
        claims = self.run(self.store.queue.claim(worker, limit, pools=pools))
        assert len(claims) == (0 if worker in self.lost else min(limit, len(due)))
        assert {claim.task for claim in claims} <= {task.task for task in due}
        return multiple(*((worker, claim) for claim in claims))

    @rule(
        target=claims,
        collection=st.sampled_from(COLLECTIONS),
        max_attempts=st.integers(1, 3),
        pool=st.sampled_from(POOLS),
    )
    def begin(self, collection: str, max_attempts: int, pool: str) -> Any:
        """A worker that is alive claims something: left to chance, most lives would end in the queue."""
        self.schedule(collection, max_attempts, pool)
        return self.claim(self.register(), 2, POOLS)

    @rule(held=claims, outcome=st.sampled_from(["SUCCESS", "FAILED", "CANCELED", "retry", "hand back"]))
    def end(self, held: tuple[UUID, Claim], outcome: str) -> None:
        worker, claim = held
        allowed = self.may_write(worker, claim)
        self.line += 1
        match outcome:
            case "SUCCESS":
                given = ending(claim, line=10_000 + self.line)
            case "FAILED":
                given = ending(claim, "TaskFailed", Status.FAILED, line=10_000 + self.line, error="broken")
            case "CANCELED":
                given = ending(claim, "TaskCanceled", Status.CANCELED, line=10_000 + self.line)
            case _:
                type_, error = ("AttemptFailed", "broken") if outcome == "retry" else ("AttemptHandedBack", None)
                given = ending(
                    claim,
                    type_,
                    Status.SCHEDULED,
                    line=10_000 + self.line,
                    error=error,
                    if_canceled=canceled(claim),
                )
        assert (self.run(self.store.queue.end_attempts(worker, [given])) == []) == allowed

    @rule(held=claims, rows=st.integers(0, 5))
    def save_bookmark(self, held: tuple[UUID, Claim], rows: int) -> None:
        worker, claim = held
        allowed = self.may_write(worker, claim)
        try:
            self.line += 1
            saving = self.store.streams.save_bookmark(
                worker, claim, commit=self.line, destination="d", rows=rows, bookmark={"at": rows}
            )
            self.run(saving)
        except LeaseLostError:
            assert not allowed
        else:
            assert allowed

    @rule(held=claims)
    def log(self, held: tuple[UUID, Claim]) -> None:
        worker, claim = held
        allowed = self.may_write(worker, claim)
        self.line += 1
        refused = self.run(append_lines(self.store.pool, worker, [(claim, numbered(self.line))], now=0))
        assert (refused == set()) == allowed

    @rule(collection=st.sampled_from(COLLECTIONS))
    def cancel(self, collection: str) -> None:
        active = self.active(collection)
        if active:
            status = self.run(self.store.queue.cancel(active.task))
            assert status == ("CANCELED" if active.status == "SCHEDULED" else "RUNNING")

    @rule()
    def cancel_what_has_ended(self) -> None:
        for task in self.ended:
            assert self.run(self.store.queue.cancel(task)) is None

    @rule(worker=workers)
    def renew(self, worker: UUID) -> None:
        try:
            self.run(self.store.leases.renew(worker, LEASE))
        except LeaseLostError:
            assert worker in self.lost
        else:
            assert worker not in self.lost

    @rule(worker=workers)
    def lose(self, worker: UUID) -> None:
        self.lost.add(worker)
        self.run(
            self.store.pool.execute(
                "UPDATE syncline.workers SET lease_until = syncline.clock() - interval '1 ms' WHERE worker = $1", worker
            )
        )

    @precondition(lambda self: self.any_runs())
    @rule()
    def let_an_hour_pass(self) -> None:
        """Every lease runs out at once: the clock of the rescuer's connection is an hour ahead."""

        async def rescue() -> None:
            async with self.store.pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL syncline.clock_offset = '1 hour'")
                await connection.execute(LEASES["mark_lost_workers"])
            await self.store.leases.rescue()

        self.run(rescue())
        self.lost |= {row["worker"] for row in self.run(self.store.pool.fetch("SELECT worker FROM syncline.workers"))}
        assert not [task for task in map(self.active, COLLECTIONS) if task and task.status == "RUNNING"]

    @precondition(lambda self: self.any_runs())
    @rule()
    def rescue(self) -> None:
        self.run(self.store.leases.rescue())
        for task in map(self.active, COLLECTIONS):
            assert task is None or task.worker not in self.lost

    def streams(self) -> list[Task]:
        rows = self.run(
            self.store.pool.fetch(
                "SELECT DISTINCT task FROM syncline.events WHERE type = 'TaskScheduled' AND at >= $1", self.since
            )
        )
        folded = [fold(self.run(self.store.events(row["task"]))) for row in rows]
        return [task for task in folded if task]

    def active(self, collection: str) -> Task | None:
        found = [
            task
            for task in self.streams()
            if task.collection == collection and task.status in {Status.SCHEDULED, Status.RUNNING}
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def any_runs(self) -> bool:
        return any(task and task.status == "RUNNING" for task in map(self.active, COLLECTIONS))

    def may_write(self, worker: UUID, claim: Claim) -> bool:
        active = self.active(claim.collection)
        return (
            active is not None
            and worker not in self.lost
            and (active.task, active.attempt, active.worker) == (claim.task, claim.attempt, worker)
        )

    @invariant()
    def the_tables_are_the_fold(self) -> None:
        tasks = self.streams()
        assert self.rows("tasks", LISTED) == {task.task: _values(task, LISTED) for task in tasks if task.finished_at}
        last = {task.collection: task for task in sorted(tasks, key=lambda task: task.task)}
        assert self.rows("collections", HEAD) == {task.task: _values(task, HEAD) for task in last.values()}
        self.status_is_the_fold(tasks)

    @invariant()
    def terminal_is_final(self) -> None:
        for task in self.streams():
            assert self.ended.get(task.task, task) == task
            if task.finished_at:
                self.ended[task.task] = task

    @invariant()
    def what_was_asked_for_again_follows(self) -> None:
        """A task that has ended with such a request has one after it, which began with its end and has no request."""
        for task in self.ended.values():
            if task.again:
                first, last = self.run(
                    self.store.pool.fetchrow(
                        "SELECT (SELECT e.xid FROM syncline.events e WHERE e.task > t.task AND e.version = 1"
                        " AND e.data ->> 'collection' = t.collection ORDER BY e.task LIMIT 1),"
                        " (SELECT e.xid FROM syncline.events e WHERE e.task = t.task AND e.version = t.version)"
                        " FROM syncline.tasks t WHERE t.task = $1",
                        task.task,
                    )
                )
                assert first == last

    def status_is_the_fold(self, tasks: list[Task]) -> None:
        expected = {}
        for collection in COLLECTIONS:
            own = sorted((task for task in tasks if task.collection == collection), key=lambda task: task.task)
            if not own:
                continue
            failures = 0
            for task in own:
                failures = {"SUCCESS": 0, "FAILED": failures + 1}.get(task.status, failures)
            expected[collection] = (
                max((task.finished_at for task in own if task.finished_at and task.status == "SUCCESS"), default=None),
                max((task.finished_at for task in own if task.finished_at and task.status == "FAILED"), default=None),
                failures,
            )
        rows = self.run(
            self.store.pool.fetch(
                "SELECT collection, last_success_at, last_failure_at, consecutive_failures FROM syncline.collections"
            )
        )
        assert {row[0]: tuple(row)[1:] for row in rows} == expected

    def rows(self, table: str, columns: list[str]) -> dict[UUID, tuple[Any, ...]]:
        rows = self.run(self.store.pool.fetch(f"SELECT {', '.join(columns)} FROM syncline.{table}"))
        return {row["task"]: tuple(row) for row in rows}


def _values(task: Task, columns: list[str]) -> tuple[Any, ...]:
    return tuple(getattr(task, column) for column in columns)


@pytest.mark.hypothesis
def test_the_life_of_tasks(postgres_server_url: str, migrated_template: str) -> None:
    url = create_database(postgres_server_url, template=migrated_template)
    try:
        with asyncio.Runner() as runner:
            context = opened_store(url, size=2)
            Life.store, Life.runner = runner.run(context.__aenter__()), runner
            try:
                run_state_machine_as_test(
                    Life,
                    settings=settings(
                        examples(25), database=None, stateful_step_count=30, suppress_health_check=list(HealthCheck)
                    ),
                )
            finally:
                runner.run(context.__aexit__(None, None, None))
    finally:
        drop_database(url, server_url=postgres_server_url)
