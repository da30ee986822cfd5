"""How far attempts are, as events and in the API's documents."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from app.api.documents.tasks import task_document
from app.domain.attempt_protocol import Progress
from app.execution.progress import ProgressReports
from app.store.reads import Reader
from app.store.task_lists import TaskFilter
from tests.harness import PATIENCE_SECONDS, now, running_worker, synthetic, until, write_config

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    import pytest

    from app.domain.claim import Claim
    from app.domain.events import Event
    from tests.harness import Store


async def test_what_an_attempt_has_read_is_told_while_it_runs(store: Store, database_url: str, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"records": 1000, "seconds": 60})})
    reader = Reader(store.pool)
    task = await store.schedule()

    async def progressing() -> dict[str, Any] | None:
        document = dict(await document_of(reader, task))
        return document if document.get("percent") else None

    async with running_worker(database_url, config):
        document = await until(progressing)
        listed = [
            row async for page in reader.page_tasks(TaskFilter("s", now().replace(year=2020), now())) for row in page
        ]
        await store.queue.cancel(task)
        await store.notify()
        assert await store.ended(task) == "CANCELED"
    assert document["records_read"] == document["bytes_read"] / 100
    assert 0 < document["percent"] < 20
    assert task_document(listed[0])["records_read"] >= document["records_read"]
    assert "percent" not in await document_of(reader, task), "it is over"
    told = [event for event in await store.events(task) if event.type == "ProgressReported"]
    assert told
    assert told[-1].data.keys() == {"records_read", "bytes_read", "share"}
    times = [event.at.timestamp() for event in told]
    assert all(later - earlier > 0.95 for earlier, later in pairwise(times))


async def document_of(reader: Reader, task: UUID) -> dict[str, Any]:
    row = await reader.get_task(task)
    assert row is not None
    return dict(task_document(row))


async def test_however_often_attempts_speak_each_is_told_once_a_second_and_ever_more_rarely(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.progress._SECONDS_BETWEEN", 0.2)
    monkeypatch.setattr("app.execution.progress._SHARE_OF_ITS_TIME", 0.5)
    worker = await store.worker()
    claims = [await store.claimed(worker, name) for name in ("a", "b")]
    reports = ProgressReports(store.streams, worker)
    loop = asyncio.get_running_loop()
    running, began = asyncio.create_task(reports.run()), loop.time()
    for number in range(1, 151):
        for claim in claims:
            reports.put(claim, Progress(records_read=number, share=number / 150))
        await asyncio.sleep(0.01)

    async def told_of(claim: Claim) -> list[Event]:
        return [event for event in await store.events(claim.task) if event.type == "ProgressReported"]

    async def each_is_told_twice() -> bool:
        return min([len(await told_of(claim)) for claim in claims]) >= 2

    await until(each_is_told_twice)
    running.cancel()
    took = loop.time() - began
    for claim in claims:
        told = await told_of(claim)
        # From 0.4 seconds on each pause doubles the time.
        assert 2 <= len(told) <= 4 + math.log2(took / 0.4)
        assert [event.version for event in told] == list(range(3, 3 + len(told)))
        numbers = [event.data["records_read"] for event in told]
        assert numbers == sorted(set(numbers))
    assert await store.pool.fetchval(
        "SELECT count(*) FROM syncline.collections c"
        " WHERE version = (SELECT max(version) FROM syncline.events e WHERE e.task = c.task)"
    )


async def test_progress_waits_for_nobody_and_is_refused_to_who_has_lost_the_attempt(store: Store) -> None:
    worker, other = await store.worker(), await store.worker()
    claim = await store.claimed(worker)
    said = [(claim, {"records_read": 1, "bytes_read": 2})]
    locking = store.admin.transaction()
    await locking.start()
    await store.admin.execute("SELECT FROM syncline.collections FOR UPDATE")
    assert await asyncio.wait_for(store.streams.report_progress(worker, said), PATIENCE_SECONDS) == 0
    await locking.rollback()
    assert await store.streams.report_progress(other, said) == 0
    assert await store.streams.report_progress(worker, said) == 1
    assert await store.end(worker, claim)
    assert await store.streams.report_progress(worker, said) == 0
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "ProgressReported", "TaskSucceeded"]
