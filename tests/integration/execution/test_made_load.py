"""Attempts inside the worker: from queued to ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.domain.claim import Claim
from app.domain.retry import retry_delay
from app.store.queue import TaskQueue
from tests.harness import a_task, running_worker, synthetic, until, write_config

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path
    from uuid import UUID

    import pytest

    from tests.harness import Store


async def test_a_task_succeeds_and_its_log_tells_everything_in_order(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"records": 10, "log_lines": 3})})
    task = await store.schedule()
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
    first, *made, last = await store.messages(task)
    assert first == "Running task..."
    assert made == [f"synthetic line {number} of 3" for number in (1, 2, 3)]
    assert last.startswith("FINISHED SUCCESSFULLY in [")
    assert [row["line"] for row in await store.log(task)] == [0, 1, 2, 3, 4]


async def test_a_failing_task_is_tried_again_with_a_log_for_each_attempt(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[timedelta] = []

    def short(failure: int, *, rng: object) -> timedelta:
        delays.append(retry_delay(failure, rng=rng))  # type: ignore[arg-type]
        return delays[-1] / 100

    monkeypatch.setattr("app.execution.outcome.retry_delay", short)
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"fail_rate": 1, "log_lines": 0})})
    task = await store.schedule()
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    assert await store.types(task) == [
        "TaskScheduled",
        *["TaskStarted", "AttemptFailed"] * 2,
        "TaskStarted",
        "TaskFailed",
    ]
    assert len(delays) == 2
    assert delays[0].total_seconds() >= 2.5
    log = await store.log(task)
    for attempt in (1, 2, 3):
        lines = [row for row in log if row["attempt"] == attempt]
        assert [row["line"] for row in lines] == [0, 1]
        assert "made to fail" in lines[-1]["message"]
    assert "FINISHED WITH ERROR" in log[-1]["message"]
    folded = await store.folded(task)
    assert (folded.attempt, folded.failures) == (3, 3)


async def test_a_retry_waits_for_its_delay(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"fail_rate": 1})})
    task = await store.schedule()
    async with running_worker(database_url, config):
        await store.logged(task, "next attempt in")
        row = await store.pool.fetchrow(
            "SELECT status, extract(epoch FROM run_at - changed_at)::float8 AS delay FROM syncline.collections"
        )
    assert row is not None
    assert row["status"] == "SCHEDULED"
    assert 2.5 <= row["delay"] <= 5.1


async def test_a_source_that_only_a_newer_file_has_is_found(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={})})
    async with running_worker(database_url, config) as running:
        await running.registered()
        write_config(config, {"new": synthetic(c={})})
        assert await store.ended(await store.schedule(source="new")) == "SUCCESS"


async def test_an_attempt_that_takes_too_long_fails(store: Store, database_url: str, tmp_path: Path) -> None:
    source = synthetic(c={"seconds": 60}) | {"timeout": "1s", "max_attempts": 1}
    config = write_config(tmp_path / "config.yaml", {"s": source})
    task = await store.schedule(max_attempts=1)
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    assert "timeout: the attempt took longer than 1s" in (await store.messages(task))[-1]


async def test_a_queued_task_that_is_canceled_never_starts(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={}, d={})})
    canceled, other = await store.schedule("c"), await store.schedule("d")
    await store.queue.cancel(canceled)
    async with running_worker(database_url, config):
        assert await store.ended(other) == "SUCCESS"
    assert await store.types(canceled) == ["TaskScheduled", "TaskCanceled"]


async def test_a_worker_runs_no_more_at_once_than_it_has_slots(store: Store, database_url: str, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(6)]
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(**{name: {"seconds": 0.2} for name in names})})
    tasks = [await store.schedule(name) for name in names]
    async with running_worker(database_url, config, slots=2):
        for task in tasks:
            assert await store.ended(task) == "SUCCESS"
    overlap = await store.pool.fetchval(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM syncline.all_tasks a JOIN syncline.all_tasks b"
        " ON b.started_at <= a.started_at AND b.finished_at > a.started_at GROUP BY a.task) AS t"
    )
    assert overlap == 2


async def test_a_claim_whose_answer_is_lost_is_handed_back_and_no_other(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"c{number}" for number in range(8)]
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(**{name: {"seconds": 0.5} for name in names})})
    tasks = {await store.schedule(name) for name in names}
    claim, lost = TaskQueue.claim, list[Claim]()

    async def forgetful(self: TaskQueue, worker: UUID, limit: int, **more: Any) -> list[Claim]:
        claims = await claim(self, worker, limit, **more)
        # The first four attempts are running when the answer with the other four is lost.
        running = "SELECT count(*) FROM syncline.collections WHERE status = 'RUNNING'"
        if not lost and await store.pool.fetchval(running) == 8:
            lost.extend(claims)
            raise OSError("the answer is lost")
        return claims

    monkeypatch.setattr(TaskQueue, "claim", forgetful)
    monkeypatch.setattr("app.execution.tenure._MOST_CLAIMED", 4)
    monkeypatch.setattr("app.loops._FIRST_PAUSE", 0.01)
    async with running_worker(database_url, config, slots=8):
        for task in tasks:
            assert await store.ended(task) == "SUCCESS"
    assert len(lost) == 4
    rows = await store.pool.fetch("SELECT task FROM syncline.events WHERE type = 'AttemptHandedBack'")
    assert {row["task"] for row in rows} == {claim.task for claim in lost}
    assert await store.pool.fetchval("SELECT max(failures) FROM syncline.all_tasks") == 0


async def test_many_attempts_end_with_all_their_lines(store: Store, database_url: str, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(300)]
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(**{name: {"log_lines": 2} for name in names})})
    await asyncio.gather(*(store.queue.schedule(a_task(name)) for name in names))

    async def all_ended() -> bool:
        active = "SELECT count(*) FROM syncline.collections WHERE status IN ('SCHEDULED', 'RUNNING')"
        return bool(await store.pool.fetchval(active) == 0)

    async with running_worker(database_url, config, slots=100):
        await until(all_ended)
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.all_tasks WHERE status = 'SUCCESS'") == len(names)
    lines = "SELECT count(*) FROM (SELECT task FROM syncline.log_lines GROUP BY task HAVING count(*) = 4) AS whole"
    assert await store.pool.fetchval(lines) == len(names)
