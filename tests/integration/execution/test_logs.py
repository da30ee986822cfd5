"""What becomes of what a child says: in order, soon, whole, and without its secrets."""

from __future__ import annotations

import asyncio
import os
import resource
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from app.execution import task_log
from app.execution.task_log import TaskLog
from app.execution.text import LONGEST_TEXT
from tests.harness import PATIENCE_SECONDS, running_worker, synthetic, until, write_config
from tests.integration.execution.children import use_children
from tests.unit.domain.secret_examples import LONGER_TEXTS
from tests.unit.domain.secret_examples import SECRET as LONGER_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.attempt_protocol import Level
    from app.execution.attempt import Attempt
    from tests.harness import RunningWorker, Store

SECRET = "hunter2-hunter2"
MEGABYTE = 1024
# What has a meaning where PostgreSQL writes an array as text.
STRANGE = ['"', "\\", '\\"', ",", "{}", '{"a","b"}', "NULL", "", " ", "two\nlines\t", "é 𝄞", "\x01\x1f", "'; --", "$1"]


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return use_children(monkeypatch, tmp_path)


async def test_what_a_child_says_is_kept_without_secrets_and_fit_to_read(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("talkative")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    log = await store.messages(task)
    assert "nul � and bad �� bytes" in log
    [cut] = [line for line in log if line.startswith("xxx")]
    assert cut.endswith("x… [cut: longer than 16384 bytes]")
    assert len(cut.encode()) <= LONGEST_TEXT
    assert "an error" in log
    assert "no newline at the end" in log
    assert "the secret is ***" in log
    assert log[-1].endswith("could not log in with ***")
    everything = await store.everything()
    assert SECRET not in everything
    assert SECRET[:6] not in everything, "not even the beginning of one that stood at a cut"
    assert (await store.folded(task)).error == "could not log in with ***"


async def test_no_secret_of_a_longer_text_is_kept(
    store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [*LONGER_TEXTS.values()]
    config = use_children(monkeypatch, tmp_path, config={"command": ["made-up"], "config": {"texts": texts}})
    task = await store.schedule("repeating")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    assert LONGER_SECRET not in await store.everything()
    assert sum("***" in line for line in await store.messages(task)) > 2 * len(texts)


async def test_five_thousand_lines_stay_in_order(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("ordered")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    log = await store.log(task)
    assert [row["line"] for row in log] == list(range(5002))
    assert (await store.messages(task))[1:-1] == [f"line {number}" for number in range(5000)]
    assert log[-1]["message"].split("] ", 1)[1].startswith("FINISHED SUCCESSFULLY")


async def test_a_line_reaches_a_reader_while_its_attempt_goes_on(store: Store, database_url: str, config: Path) -> None:
    (config.parent / "data").mkdir()
    os.mkfifo(config.parent / "data" / "go")
    task = await store.schedule("halting")
    async with running_worker(database_url, config):
        await store.logged(task, "before the halt")
        assert await store.status(task) == "RUNNING"
        (config.parent / "data" / "go").open("w").close()
        assert await store.ended(task) == "SUCCESS"


async def test_a_flood_is_stored_whole_without_filling_the_memory(
    store: Store, database_url: str, config: Path
) -> None:
    task = await store.schedule("flooding")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    assert await store.pool.fetchval("SELECT count(*) FROM syncline.log_events WHERE message LIKE '%zzz%'") == 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150 * MEGABYTE


async def test_a_flood_of_one_attempt_does_not_hold_up_the_others(
    store: Store, database_url: str, config: Path
) -> None:
    flood = await store.schedule("flooding")
    async with running_worker(database_url, config):
        await store.logged(flood, "zzz")
        assert await store.ended(await store.schedule("good")) == "SUCCESS"
        assert await store.status(flood) == "RUNNING"


async def test_a_worker_whose_database_is_slow_waits_instead_of_collecting(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={"log_lines": 60_000})})
    task = await store.schedule()
    locking = store.admin.transaction()
    await locking.start()
    await store.admin.execute("LOCK TABLE syncline.log_events IN SHARE MODE")
    async with running_worker(database_url, config) as running:
        attempt = await _attempt_of(running)
        assert await _settled(attempt._log.next_line) < 45_000
        await locking.rollback()
        assert await store.ended(task) == "SUCCESS"
    assert len(await store.log(task)) == 60_002


async def _attempt_of(running: RunningWorker) -> Attempt:
    """The only attempt of the worker, which knows of it a moment after the store does."""

    async def known() -> Attempt | None:
        tenure = running.worker._tenure
        return next((attempt for attempt, _ in tenure._attempts.values()), None) if tenure else None

    return await until(known)


async def _settled(number: Callable[[], int]) -> int:
    """The number when it has come to rest."""
    before = -1
    while (now := number()) != before:
        before = now
        await asyncio.sleep(0.3)
    return before


async def test_a_log_that_cannot_be_stored_does_not_hold_up_the_others(store: Store) -> None:
    worker = await store.worker()
    log = TaskLog(store.pool, worker, refused=lambda _: None)
    broken = log.open(await store.claimed(worker, "broken"), str)
    whole = log.open(await store.claimed(worker, "whole"), str)
    broken._line = 2**31  # more than the column holds
    storing = asyncio.create_task(log.run())
    for one in (broken, whole):
        await one.write("info", "a line")
    await asyncio.wait_for(whole.all_stored.wait(), PATIENCE_SECONDS)
    assert await store.messages(whole.claim.task) == ["Running task...", "a line"]
    broken.close()
    storing.cancel()


async def test_lines_whose_storing_was_never_acknowledged_are_there_once(store: Store) -> None:
    worker = await store.worker()
    log = TaskLog(_ForgetfulPool(store), worker, refused=lambda _: None)  # type: ignore[arg-type]
    own = log.open(await store.claimed(worker), str)
    storing = asyncio.create_task(log.run())
    for number in (1, 2, 3):
        await own.write("info", f"line {number}")
    await asyncio.wait_for(own.all_stored.wait(), PATIENCE_SECONDS)
    storing.cancel()
    assert await store.messages(own.claim.task) == ["Running task...", "line 1", "line 2", "line 3"]


async def test_lines_that_come_together_keep_their_texts_and_levels(store: Store) -> None:
    worker = await store.worker()
    log = TaskLog(store.pool, worker, refused=lambda _: None)
    own = log.open(await store.claimed(worker), str)
    storing = asyncio.create_task(log.run())
    lines: list[tuple[Level, str]] = [("info", text) for text in STRANGE] + [
        ("error", "of another level"),
        ("info", "x"),
    ]
    await own.write_all(lines)
    await asyncio.wait_for(own.all_stored.wait(), PATIENCE_SECONDS)
    storing.cancel()
    _, *stored = await store.log(own.claim.task)
    assert [row["line"] for row in stored] == list(range(1, len(lines) + 1))
    assert [(row["level"], row["message"]) for row in stored] == [
        (level, f"[{own.claim.task_id}] {text}".replace("\x01\x1f", r"\x01\x1f")) for level, text in lines
    ]
    assert (log._lines, log._characters) == (0, 0), "what is stored leaves its room to others"


async def test_however_many_lines_come_together_they_wait_for_room(store: Store) -> None:
    worker = await store.worker()
    log = TaskLog(store.pool, worker, refused=lambda _: None)
    own = log.open(await store.claimed(worker), str)
    writing = asyncio.create_task(own.write_all([("info", f"line {number}") for number in range(60_000)]))
    assert await _settled(own.next_line) < 25_000, "nobody stores them"
    own.close()
    await asyncio.wait_for(writing, PATIENCE_SECONDS)
    assert await _settled(own.next_line) < 25_000, "what is written after the end is forgotten"


async def test_lines_written_one_by_one_travel_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # The module's own clock: the loop reads the other one.
    monkeypatch.setattr(task_log, "time", SimpleNamespace(monotonic=lambda: 1.0))
    worker = await store.worker()
    log = TaskLog(store.pool, worker, refused=lambda _: None)
    own = log.open(await store.claimed(worker), str)
    for number in range(1000):
        await own.write("info", f"line {number}")
    [batch] = log._take_batch()
    assert len(batch.under_way) == 1
    storing = asyncio.create_task(log.run())
    await asyncio.wait_for(own.all_stored.wait(), PATIENCE_SECONDS)
    storing.cancel()
    assert (await store.messages(own.claim.task))[1:] == [f"line {number}" for number in range(1000)]


class _ForgetfulPool:
    """Carries the first statement out, and loses its answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lost = False

    async def fetch(self, statement: str, *values: object) -> object:
        rows = await self._store.pool.fetch(statement, *values)
        if not self._lost:
            self._lost = True
            raise OSError("the connection is lost")
        return rows
