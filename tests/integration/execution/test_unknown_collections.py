"""Workers whose catalogues differ: whoever knows a collection carries its tasks out, whoever does not fails none."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from app.domain.events import ATTEMPT_HANDED_BACK
from app.execution import unknown
from app.store.queue import TaskQueue
from tests.harness import running_worker, synthetic, until, write_config

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from app.domain.claim import Claim
    from tests.harness import Store

OLD = {"s": synthetic(c={})}
NEW = OLD | {"fresh": synthetic(**{f"c{number}": {} for number in range(10)})}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "old").mkdir()
    return write_config(tmp_path / "old" / "config.yaml", OLD)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_config(tmp_path / "config.yaml", NEW)


@pytest.fixture
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unknown, "_DELAY", timedelta())


async def handed_back(store: Store, task: UUID, *, times: int = 1) -> str:
    """Wait until the task was given back so often: since when nobody knows its collection."""

    async def since() -> str | None:
        events = [event for event in await store.events(task) if event.type == ATTEMPT_HANDED_BACK]
        return str(events[-1].data["unknown_since"]) if len(events) >= times else None

    return await until(since)


@pytest.mark.usefixtures("_no_delay")
async def test_whatever_one_worker_knows_succeeds(store: Store, database_url: str, old: Path, new: Path) -> None:
    async with running_worker(database_url, old) as ignorant:
        worker = await ignorant.registered()
        tasks = [await store.schedule(f"c{number}", "fresh", max_attempts=1) for number in range(5)]
        for task in tasks:
            await handed_back(store, task)
        async with running_worker(database_url, new):
            tasks += [await store.schedule(f"c{number}", "fresh", max_attempts=1) for number in range(5, 10)]
            assert [await store.ended(task) for task in tasks] == ["SUCCESS"] * 10
    for task in tasks:
        events = await store.events(task)
        assert {event.type for event in events if event.worker == worker} <= {"TaskStarted", ATTEMPT_HANDED_BACK}
        assert (await store.folded(task)).failures == 0


async def test_a_worker_leaves_a_task_that_it_does_not_know_to_others_and_says_why(
    store: Store, database_url: str, old: Path
) -> None:
    async def is_due() -> bool:
        await store.ended(await store.schedule())
        return bool(
            await store.pool.fetchval(
                "SELECT run_at <= syncline.clock() FROM syncline.collections WHERE source = 'fresh'"
            )
        )

    async with running_worker(database_url, old):
        task = await store.schedule("c0", "fresh")
        line = await store.logged(task, "was handed back")
        await until(is_due)
        for _ in range(5):
            assert await store.ended(await store.schedule()) == "SUCCESS"
        assert await store.types(task) == ["TaskScheduled", "TaskStarted", ATTEMPT_HANDED_BACK]
    assert " seconds: worker " in line
    assert line.endswith(
        ") does not have it in its catalogue: Source [fresh] doesn't exist. Other workers may claim it for another "
        "120 seconds"
    )


async def test_it_waits_before_another_may_take_it(store: Store, database_url: str, old: Path) -> None:
    async with running_worker(database_url, old):
        task = await store.schedule("c0", "fresh")
        await handed_back(store, task)
    delay = await store.pool.fetchval("SELECT run_at - changed_at FROM syncline.collections WHERE source = 'fresh'")
    assert abs(delay - timedelta(seconds=2)) < timedelta(milliseconds=50)


async def test_it_fails_when_nobody_has_known_it_for_two_minutes(store: Store, database_url: str, old: Path) -> None:
    task = await store.schedule("c0", "fresh")
    async with running_worker(database_url, old):
        since = await handed_back(store, task)
    await store.move_clock("110 seconds")
    async with running_worker(database_url, old):
        assert await handed_back(store, task, times=2) == since
    await store.move_clock("121 seconds")
    async with running_worker(database_url, old):
        assert await store.ended(task) == "FAILED"
    error = str((await store.folded(task)).error)
    assert error.startswith(
        "Source [fresh] doesn't exist. For 120 seconds no worker that claimed the task had it in its catalogue "
        "(last: worker "
    )
    assert error.endswith(")). Give all workers the same catalogue, then request the task again")
    assert await store.schedule("c0", "fresh") != task, "the collection is free again"


async def test_the_catalogue_says_how_long_that_is(store: Store, database_url: str, old: Path) -> None:
    write_config(old, OLD, unknown_source_patience="1h")
    task = await store.schedule("c0", "fresh")
    async with running_worker(database_url, old):
        assert "for another 3600 seconds" in await store.logged(task, "was handed back")
    await store.move_clock("50 minutes")
    async with running_worker(database_url, old):
        await handed_back(store, task, times=2)
    await store.move_clock("61 minutes")
    async with running_worker(database_url, old):
        assert await store.ended(task) == "FAILED"
    assert "For 3600 seconds no worker" in str((await store.folded(task)).error)


async def test_a_task_that_has_waited_long_is_handed_back_all_the_same(
    store: Store, database_url: str, old: Path
) -> None:
    task = await store.schedule("c0", "fresh")
    await store.move_clock("1 hour")
    async with running_worker(database_url, old):
        await handed_back(store, task)


@pytest.mark.usefixtures("_no_delay")
async def test_a_worker_that_learns_of_it_carries_it_out(store: Store, database_url: str, old: Path) -> None:
    async with running_worker(database_url, old) as running:
        task = await store.schedule("c0", "fresh", max_attempts=1)
        await handed_back(store, task)
        write_config(old, NEW)
        assert await running.watcher.refresh()
        await store.notify()
        assert await store.ended(task) == "SUCCESS"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"fresh": synthetic(other={})}, "Collection [c0] doesn't exist in source [fresh]"),
        (
            {"fresh": synthetic(c0={"records": "${env.NOT_SET_HERE}"})},
            "sources.fresh.collections[0].parameters.records: environment variable NOT_SET_HERE is not set",
        ),
    ],
    ids=["an unknown collection", "a source that is left out"],
)
async def test_what_is_missing_for_another_reason_is_handed_back_too(
    store: Store, database_url: str, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    config = write_config(tmp_path / "config.yaml", OLD | change)
    async with running_worker(database_url, config):
        task = await store.schedule("c0", "fresh")
        assert why in await store.logged(task, "was handed back")


async def test_with_a_newest_version_that_is_refused_the_line_says_so(
    store: Store, database_url: str, old: Path
) -> None:
    async with running_worker(database_url, old) as running:
        old.unlink()  # noqa: ASYNC240 - it does not block
        assert not await running.watcher.refresh()
        task = await store.schedule("c0", "fresh")
        assert ") does not have it in its catalogue, whose newest version it has refused: Source [fresh]" in (
            await store.logged(task, "was handed back")
        )


async def test_an_outage_while_it_asks_since_when_is_no_failed_attempt(
    store: Store, database_url: str, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_queue: TaskQueue, _claim: Claim, _why: str) -> NoReturn:
        raise ConnectionResetError

    monkeypatch.setattr(TaskQueue, "get_waiting_since", away)
    async with running_worker(database_url, old):
        task = await store.schedule("c0", "fresh", max_attempts=1)
        await handed_back(store, task)
