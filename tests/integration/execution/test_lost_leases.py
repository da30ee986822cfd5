"""A worker that cannot reach the database, or that slept through its lease: nothing of it writes any more."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from app.store.queue import schedule_tasks
from tests.harness import a_task, running_worker, synthetic, until, write_config
from tests.integration.execution.children import is_alive, use_children
from tests.integration.store.statements import QUEUE
from tests.servers.proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from uuid import UUID

    from app.domain.events import Event
    from tests.harness import Store
    from tests.servers.postgres import TcpServer

LEASE = timedelta(seconds=3)
ROOT = Path(__file__).parents[3]
REFUSE_FIRST_SUCCESS = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'data_exception'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON syncline.events FOR EACH ROW
  WHEN (NEW.type = 'TaskSucceeded' AND NEW.attempt = 1) EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return use_children(monkeypatch, tmp_path)


@pytest.fixture
async def way(database_url: str, tcp_postgres: TcpServer) -> AsyncIterator[tuple[str, Proxy]]:
    async with proxied(database_url, tcp_postgres) as way:
        yield way


async def child_of(store: Store, task: UUID) -> int:
    line = await store.logged(task, "pids ")
    pid: int = json.loads(line.removeprefix("pids "))["child"]
    return pid


@pytest.mark.parametrize("how", [Proxy.cut, Proxy.freeze])
@pytest.mark.parametrize("behaviour", ["slow", "committing"])
async def test_a_worker_cut_off_stops_its_attempts_before_its_lease_can_be_taken_and_comes_back_as_another(
    store: Store, way: tuple[str, Proxy], config: Path, how: Callable[[Proxy], None], behaviour: str
) -> None:
    url, proxy = way
    task = await store.schedule(behaviour)
    async with running_worker(url, config, lease=LEASE, rescue=False) as running:
        child = await child_of(store, task)
        first = await running.registered()
        how(proxy)

        async def gone() -> bool:
            return not is_alive(child)

        await until(gone)
        left = await store.pool.fetchval(
            "SELECT lease_until - syncline.clock() FROM syncline.workers WHERE worker = $1", first
        )
        assert left > timedelta(), "the child was gone while nobody could take the lease"
        assert (await store.types(task))[-1] in {"TaskStarted", "BookmarkSaved"}
        await until(store.leases.rescue)
        written = await writings_of(store, task)
        proxy.mend()
        await store.running(task, attempt=2)
        assert await running.registered() != first
        assert await writings_of(store, task) == written
        await store.queue.cancel(task)
        await store.notify()
        assert await store.ended(task) == "CANCELED"
        assert await writings_of(store, task) == written


async def writings_of(store: Store, task: UUID) -> tuple[list[Event], list[str]]:
    """What the first attempt has written."""
    events = [event for event in await store.events(task) if event.attempt == 1]
    return events, [row["message"] for row in await store.log(task) if row["attempt"] == 1]


async def test_a_short_outage_costs_nothing(store: Store, way: tuple[str, Proxy], tmp_path: Path) -> None:
    url, proxy = way
    lines = 40
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"seconds": 2, "log_lines": lines})})
    task = await store.schedule()
    async with running_worker(url, config):
        await store.logged(task, "line 3 ")
        proxy.cut()
        await asyncio.sleep(0.5)
        proxy.mend()
        assert await store.ended(task) == "SUCCESS"
    assert (await store.folded(task)).attempt == 1
    assert [row["line"] for row in await store.log(task)] == list(range(lines + 2))


async def test_a_claim_whose_answer_was_lost_is_handed_back(store: Store, database_url: str, config: Path) -> None:
    """The database has given a task to a worker that does not know of it: it must not wait for ever."""
    async with running_worker(database_url, config, lease=timedelta(seconds=2)) as running:
        worker = await running.registered()
        async with store.pool.acquire() as connection, connection.transaction():
            # Committed together: the worker itself never sees the task queued.
            scheduled = await schedule_tasks(connection, [a_task("good")])
            await connection.fetch(QUEUE["claim_tasks"], worker, 1, [], [], [], ["default"], {})
        task = scheduled["s", "good"]
        assert await store.ended(task) == "SUCCESS"
    assert await store.types(task) == [
        *("TaskScheduled", "TaskStarted", "AttemptHandedBack", "TaskStarted", "BookmarkSaved", "TaskSucceeded")
    ]
    assert (await store.folded(task)).failures == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_attempt_that_the_database_has_forgotten_is_stopped(
    store: Store, database_url: str, config: Path, workers: int
) -> None:
    """A standby that lacked the claim was promoted: the task is given out once more, with the same attempt."""
    task = await store.schedule("slow")
    async with AsyncExitStack() as stack:
        for number in range(workers):
            # Long before the look that comes every quarter of a lease, and the second worker has the only free slot.
            lease, slots = timedelta(minutes=2), 2 if workers == 1 or number else 1
            await stack.enter_async_context(running_worker(database_url, config, lease=lease, slots=slots))
        forgotten = await child_of(store, task)
        await store.forget_claim(task)
        await store.notify()

        async def gone() -> bool:
            return not is_alive(forgotten)

        await until(gone)
        again = await child_of(store, task)
        assert again != forgotten
        await store.queue.cancel(task)
        await store.notify()
        assert await store.ended(task) == "CANCELED"
    started = [event.attempt for event in await store.events(task) if event.type == "TaskStarted"]
    assert started == [1]
    assert [row["line"] for row in await store.log(task)] == list(range(len(await store.log(task))))


async def test_an_attempt_whose_ending_the_database_refuses_is_handed_back(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"seconds": 0.1})})
    with psycopg.connect(database_url) as connection:
        connection.execute(REFUSE_FIRST_SUCCESS)
    task = await store.schedule()
    async with running_worker(database_url, config, lease=timedelta(minutes=2)):
        # Long before the look that comes every quarter of a lease.
        assert await store.ended(task) == "SUCCESS"
    assert await store.types(task) == [
        *("TaskScheduled", "TaskStarted", "AttemptHandedBack", "TaskStarted", "TaskSucceeded")
    ]
    assert (await store.folded(task)).failures == 0


async def test_a_drain_hands_back_a_claim_whose_answer_was_lost(store: Store, database_url: str, config: Path) -> None:
    async with running_worker(database_url, config, rescue=False) as running:
        worker = await running.registered()
        async with store.pool.acquire() as connection, connection.transaction():
            scheduled = await schedule_tasks(connection, [a_task("good")])
            await connection.fetch(QUEUE["claim_tasks"], worker, 1, [], [], [], ["default"], {})
        await running.stopped()
    task = scheduled["s", "good"]
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "AttemptHandedBack"]
    assert (await store.folded(task)).failures == 0


async def test_a_stop_drains_and_hands_back_what_still_runs(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("slow", max_attempts=1)
    async with running_worker(database_url, config, drain_seconds=0.5) as running:
        child = await child_of(store, task)
        worker = await running.registered()
        running.stop.set()
        await until(lambda: _state(store, worker, "draining"))
        waiting = await store.schedule("good")
        await running.over()
        assert not is_alive(child)
    assert (await store.types(task))[-1] == "AttemptHandedBack"
    folded = await store.folded(task)
    assert (folded.status, folded.failures) == ("SCHEDULED", 0)
    assert await store.status(waiting) == "SCHEDULED"
    assert await _state(store, worker, "stopped")
    assert "was handed back" in (await store.messages(task))[-1]
    async with running_worker(database_url, config):
        await store.running(task, attempt=2)


async def test_a_drain_lets_running_attempts_finish(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"seconds": 1})})
    task = await store.schedule()
    async with running_worker(database_url, config) as running:
        await store.running(task)
        await running.stopped()
    assert await store.status(task) == "SUCCESS"


async def test_a_second_signal_hurries_the_drain(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("slow")
    async with running_worker(database_url, config, drain_seconds=600) as running:
        await child_of(store, task)
        running.stop.set()
        running.hurry.set()
        await running.over()
    assert (await store.types(task))[-1] == "AttemptHandedBack"


async def test_a_cancel_during_the_drain_is_heard(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("slow")
    async with running_worker(database_url, config, drain_seconds=600) as running:
        await child_of(store, task)
        running.stop.set()
        await store.queue.cancel(task)
        assert await store.ended(task) == "CANCELED"
        await running.over()


async def _state(store: Store, worker: UUID, state: str) -> bool:
    return bool(await store.pool.fetchval("SELECT state = $2 FROM syncline.workers WHERE worker = $1", worker, state))


def start_worker(url: str, config: Path) -> subprocess.Popen[bytes]:
    """A worker process as a user starts it, with a lease of 3 seconds."""
    with (config.parent / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", "worker", "--config", str(config)],
            env=os.environ | {"DATABASE_URL": url, "SYNCLINE_DATA_DIR": str(config.parent / "data")},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


@pytest.fixture
def slow_tap(tmp_path: Path) -> Path:
    """A configuration whose tap tells its process id and never ends."""
    tap = tmp_path / "tap.py"
    tap.write_text("import os, sys, time\nprint('pids', os.getpid(), file=sys.stderr, flush=True)\ntime.sleep(600)\n")
    config = write_config(
        tmp_path / "config.yaml",
        {
            "s": {
                "type": "singer",
                "destinations": ["nowhere"],
                "collections": [{"name": "c"}],
                "config": {
                    "command": [sys.executable, str(tap)],
                    "config": {},
                    "catalog": {"streams": [{"tap_stream_id": "c", "stream": "c", "schema": {}}]},
                },
            }
        },
    )
    config.write_text(
        config.read_text().replace("server:", "server:\n  sync_tasks: {stalled: {last_heartbeat_threshold_seconds: 3}}")
    )
    return config


async def tap_of(store: Store, task: UUID, attempt: int) -> int:
    async def pid() -> int | None:
        lines = [row["message"] for row in await store.log(task) if row["attempt"] == attempt]
        return next((int(line.split()[-1]) for line in lines if "pids " in line), None)

    return await until(pid)


async def test_a_worker_that_slept_past_its_lease_writes_nothing_more(
    store: Store, database_url: str, slow_tap: Path
) -> None:
    task = await store.schedule()
    sleeper = start_worker(database_url, slow_tap)
    other = None
    try:
        await tap_of(store, task, 1)
        first = await store.pool.fetchval("SELECT worker FROM syncline.collections")
        sleeper.send_signal(signal.SIGSTOP)
        other = start_worker(database_url, slow_tap)
        await store.running(task, attempt=2)
        written = len([row for row in await store.log(task) if row["attempt"] == 1])
        sleeper.send_signal(signal.SIGCONT)

        async def back() -> bool:
            workers = await store.pool.fetchval(
                "SELECT count(*) FROM syncline.workers WHERE pid = $1 AND state = 'active'", sleeper.pid
            )
            return bool(workers)

        await until(back)
        assert [event.type for event in await store.events(task) if event.worker == first] == ["TaskStarted"]
        assert len([row for row in await store.log(task) if row["attempt"] == 1]) == written
        assert (await store.folded(task)).attempt == 2
    finally:
        for process in filter(None, (sleeper, other)):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


async def test_the_lease_is_renewed_by_a_connection_that_statements_on_the_queue_cannot_take(
    store: Store, database_url: str, slow_tap: Path
) -> None:
    task = await store.schedule()
    process = start_worker(database_url, slow_tap)
    try:
        await tap_of(store, task, 1)
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            await connection.execute("LOCK TABLE syncline.collections IN ACCESS EXCLUSIVE MODE")
            locked_at = await store.admin.fetchval("SELECT clock_timestamp()")

            async def outlasted() -> bool:
                [row] = await store.admin.fetch("SELECT state, renewed_at FROM syncline.workers")
                assert row["state"] == "active"
                return bool(row["renewed_at"] > locked_at + LEASE)

            await until(outlasted)
            last = await store.admin.fetchval(
                "SELECT query FROM pg_stat_activity"
                " WHERE application_name = 'syncline worker lease' AND datname = current_database()"
            )
        assert "SET renewed_at" in last
        assert (await store.types(task)) == ["TaskScheduled", "TaskStarted"]
    finally:
        process.kill()
        process.wait()


async def test_a_killed_worker_leaves_no_process_and_its_task_is_taken_over_soon(
    store: Store, database_url: str, slow_tap: Path
) -> None:
    task = await store.schedule()
    victim = start_worker(database_url, slow_tap)
    other = None
    try:
        tap = await tap_of(store, task, 1)
        other = start_worker(database_url, slow_tap)
        victim.kill()
        victim.wait()

        async def gone() -> bool:
            return not is_alive(tap)

        await until(gone)
        await store.running(task, attempt=2)
        assert (await store.types(task))[:4] == ["TaskScheduled", "TaskStarted", "AttemptRescued", "TaskStarted"]
    finally:
        for process in filter(None, (victim, other)):
            process.kill()
            process.wait()
