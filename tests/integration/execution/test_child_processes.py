"""Attempts as child processes: how they end, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness import running_worker, until
from tests.integration.execution.children import is_alive, use_children

if TYPE_CHECKING:
    from uuid import UUID

    from tests.harness import Store


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return use_children(monkeypatch, tmp_path)


@pytest.fixture(autouse=True)
def no_waiting_for_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.execution.outcome.retry_delay", lambda *_, **__: timedelta())


async def pids_of(store: Store, task: UUID) -> dict[str, int]:
    line = await store.logged(task, "pids ")
    pids: dict[str, int] = json.loads(line.removeprefix("pids "))
    return pids


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_child_commits_and_finishes(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("good")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "BookmarkSaved", "TaskSucceeded"]
    assert (await store.folded(task)).rows == 3
    bookmark = await store.pool.fetchrow("SELECT destination, bookmark FROM syncline.bookmarks")
    assert tuple(bookmark or ()) == ("nowhere", {"at": "2026-01-01"})


async def test_failures_are_counted_until_the_last_try(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("failing")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    folded = await store.folded(task)
    assert (folded.attempt, folded.failures, folded.error) == (3, 3, "attempt 3 went wrong")
    assert {row["attempt"] for row in await store.log(task)} == {1, 2, 3}


async def test_a_configuration_error_is_not_tried_again(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("misconfigured")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "TaskFailed"]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [("killed", "killed by signal 9"), ("mute", "exited with code 3 and sent no result"), ("garbled", "DecodeError")],
)
async def test_a_child_that_crashes_fails_its_attempt(
    store: Store, database_url: str, config: Path, behaviour: str, error: str
) -> None:
    task = await store.schedule(behaviour, max_attempts=1)
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    assert error in (await store.messages(task))[-1]


async def test_a_child_that_takes_too_long_is_gone(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = use_children(monkeypatch, tmp_path, timeout="1s")
    task = await store.schedule("slow", max_attempts=1)
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
        assert not is_alive((await pids_of(store, task))["child"])
    assert "timeout" in (await store.messages(task))[-1]


async def test_a_canceled_attempt_is_dead_with_its_whole_group_before_the_task_is_canceled(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("stubborn")
    async with running_worker(database_url, config):
        pids = await pids_of(store, task)
        assert await store.queue.cancel(task) == "RUNNING"
        await store.notify()
        assert await store.ended(task) == "CANCELED"
        assert not [name for name, pid in pids.items() if is_alive(pid)]
    assert (await store.types(task))[-2:] == ["CancelRequested", "TaskCanceled"]
    assert (await store.messages(task))[-1].startswith("CANCELED in [")


async def test_a_cancel_is_seen_without_any_notification(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("slow")
    async with running_worker(database_url, config):
        await pids_of(store, task)
        await store.queue.cancel(task)
        assert await store.ended(task) == "CANCELED"


async def test_a_stop_while_a_cancel_is_under_way_does_not_leave_the_child_behind(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("stubborn")
    async with running_worker(database_url, config) as running:
        pids = await pids_of(store, task)
        await store.queue.cancel(task)
        await store.notify()
        await until(lambda: asyncio.sleep(0, (config.parent / "data" / "asked to stop").exists()))
        running.stop.set()
        running.hurry.set()
        assert await store.ended(task) == "CANCELED"
        assert not [name for name, pid in pids.items() if is_alive(pid)]


async def test_what_a_good_child_leaves_behind_in_its_group_is_ended(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("orphaning")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
        assert not is_alive((await pids_of(store, task))["grandchild"])


async def test_a_process_that_left_the_group_holds_nothing_up(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("escaping")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert "said before the end" in await store.messages(task)
    escaped = (await pids_of(store, task))["escaped"]
    assert is_alive(escaped)
    os.kill(escaped, signal.SIGKILL)


async def test_a_bookmark_that_jsonb_refuses_does_not_stop_the_task(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("strange")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    bookmark = await store.pool.fetchval("SELECT bookmark::text FROM syncline.bookmarks")
    assert str(2**80) in bookmark or "�" in bookmark


async def test_a_child_sees_no_secret_of_the_workers_environment(
    store: Store, database_url: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    for name in ("AWS_SECRET_ACCESS_KEY", "HTTP_BASIC_PASSWORD", "ALL_PROXY"):
        monkeypatch.setenv(name, "x")
    task = await store.schedule("environment")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    [names] = [message for message in await store.messages(task) if message.startswith("[")]
    secrets = {
        "DATABASE_URL",
        "AWS_SECRET_ACCESS_KEY",
        "HTTP_BASIC_PASSWORD",
        "SYNCLINE_EVENTS_FD",
        "SYNCLINE_LINES_FD",
    }
    assert not secrets & set(json.loads(names))
    assert {"PATH", "ALL_PROXY"} <= set(json.loads(names))


async def test_a_child_that_is_killed_from_outside_fails_its_attempt(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("slow", max_attempts=1)
    async with running_worker(database_url, config):
        os.kill((await pids_of(store, task))["child"], signal.SIGKILL)
        assert await store.ended(task) == "FAILED"
    assert "killed by signal 9" in (await store.messages(task))[-1]


async def test_no_file_descriptor_is_left_open(store: Store, database_url: str, config: Path) -> None:
    async with running_worker(database_url, config):
        await store.ended(await store.schedule("good"))
        before = open_files()
        for _ in range(3):
            await store.ended(await store.schedule("good"))
            await store.ended(await store.schedule("misconfigured"))

        async def as_before() -> bool:
            return open_files() <= before + 2  # connections of the pools come and go

        await until(as_before)
