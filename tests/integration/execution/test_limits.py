"""Attempts that exceed a limit of their source are ended and tried again; their neighbours go on."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.harness import running_worker
from tests.integration.execution.children import is_alive, use_children

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Store


@pytest.fixture(autouse=True)
def no_waiting_for_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.execution.outcome.retry_delay", lambda *_, **__: timedelta())


async def test_a_silent_attempt_is_stopped_and_tried_again(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = use_children(monkeypatch, tmp_path, max_silence="1s")
    task = await store.schedule("slow", max_attempts=2)
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
        pids = [json.loads(line.removeprefix("pids ")) for line in await store.messages(task) if line[:4] == "pids"]
        assert [is_alive(each["child"]) for each in pids] == [False, False]
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "AttemptFailed", "TaskStarted", "TaskFailed"]
    assert (await store.folded(task)).error == (
        "source 's', collection 'slow': max_silence: nothing was read, written or logged for 1s; 0 records were read "
        "by then; if the source needs that long, raise its 'max_silence', or "
        "'server.sync_tasks.stalled.last_activity_threshold_minutes' for all sources"
    )
