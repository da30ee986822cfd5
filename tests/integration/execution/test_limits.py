"""Attempts that exceed a limit of their source are ended and tried again; their neighbours go on."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import timedelta
from typing import TYPE_CHECKING

import psutil
import pytest

from app.execution.memory import used_bytes
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


async def test_an_attempt_that_takes_too_much_memory_is_ended_and_its_neighbour_goes_on(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = use_children(monkeypatch, tmp_path, max_memory="200 MB")
    neighbour = await store.schedule("slow")
    task = await store.schedule("greedy", max_attempts=2)
    async with running_worker(database_url, config):
        await store.logged(neighbour, "pids ")
        assert await store.ended(task) == "FAILED"
        pids = [json.loads(line.removeprefix("pids ")) for line in await store.messages(task) if line[:4] == "pids"]
        assert [is_alive(pid) for each in pids for pid in each.values()] == [False] * 4
        assert await store.status(neighbour) == "RUNNING"
        assert (await store.folded(neighbour)).attempt == 1
    assert await store.types(task) == ["TaskScheduled", "TaskStarted", "AttemptFailed", "TaskStarted", "TaskFailed"]
    error = (await store.folded(task)).error
    assert re.fullmatch(
        r"source 's', collection 'greedy': max_memory: used [2-4]\d\d(\.\d)? of 200 MB; 0 records were read by then; "
        "raise the source's 'max_memory', or let it read less at once",
        error or "",
    )


def test_what_processes_of_an_attempt_hide_is_measured_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    held = b"x" * 50_000_000
    whole = used_bytes(os.getpid())
    assert len(held) < whole

    def hidden(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr("psutil.Process.memory_full_info", hidden)
    assert len(held) < used_bytes(os.getpid())
    child = subprocess.Popen(["true"])
    child.wait()
    assert used_bytes(child.pid) == 0
