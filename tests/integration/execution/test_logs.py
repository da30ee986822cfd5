"""What becomes of what a child says: in order, soon, whole, and without its secrets."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from app.execution import task_log
from app.execution.task_log import _MOST_LINES, TaskLog
from app.execution.text import LONGEST_TEXT
from tests.harness import PATIENCE_SECONDS, ending, running_worker, synthetic, until, write_config
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


async def test_lines_of_programs_have_their_names_and_levels(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("programs")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    rows = await store.pool.fetch("SELECT * FROM syncline.log_events WHERE task = $1 ORDER BY line", task)
    lines = [(row["system"], row["level"], row["message"].split("] ", 1)[1]) for row in rows]
    [long] = [line for line in lines if "a very long line" in line[2]]
    assert long[2].endswith(f"[cut: longer than {LONGEST_TEXT} bytes]")
    aside = [line for line in lines if line[0] in ("tap-shop", "***") and line[1] != "debug" and line != long]
    assert aside == [
        ("tap-shop", "warn", "slow"),
        ("***", "warn", "the secret is ***"),
        ("tap-shop", "error", "without an end"),
    ]
    assert ("tap-shop", "debug", "on standard output") in lines
    assert ("singer", "info", "printed") in lines, "what its process prints is the connector's"
    assert ("singer", "warn", "[7 lines were dropped]") in lines
    assert (None, "info", "of Syncline") in lines
    assert SECRET not in await store.everything()


async def test_a_flood_of_a_program_is_bounded(store: Store, database_url: str, config: Path) -> None:
    task = await store.schedule("pouring")
    async with running_worker(database_url, config):
        assert await store.ended(task) == "SUCCESS"
    rows = await store.pool.fetch(
        "SELECT level, system, message FROM syncline.log_events WHERE task = $1 AND message NOT LIKE '%zzz'", task
    )
    dropped = [
        (row["level"], row["system"]) for row in rows if "bytes were dropped here: a log takes" in row["message"]
    ]
    assert dropped
    assert set(dropped) == {("warn", "tap-shop")}, "whose flood it is"
    stored = await store.pool.fetchval("SELECT count(*) FROM syncline.log_events WHERE system = 'tap-shop'")
    assert 100_000 < stored < 200_000, "300,000 were written, which are more than a log takes"


async def test_programs_that_wait_for_a_slow_log_hold_up_no_message(
    store: Store, database_url: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.execution.reports._SECONDS_BETWEEN_PROGRESS_LINES", 600.0)
    await store.schedule("pouring")
    locking = store.admin.transaction()
    await locking.start()
    await store.admin.execute("LOCK TABLE syncline.log_events IN SHARE MODE")
    async with running_worker(database_url, config) as running:
        attempt = await _attempt_of(running)

        async def has_no_room() -> bool:
            return attempt._log.next_line() > _MOST_LINES

        async def goes_on() -> bool:
            return attempt._reports.records_read > before + 10

        await until(has_no_room)
        assert await _settled(attempt._log.next_line) < 45_000
        before = attempt._reports.records_read
        await until(goes_on)
        await locking.rollback()


# What a tap of singer-python, one of the Singer SDK and a traceback write.
TAP = """
import json, sys
def say(line):
    print(line, file=sys.stderr, flush=True)
say("INFO Starting sync")
say("2024-05-01 10:00:00,123 | WARNING  | tap-shop | slow")
say("time=2024-05-01 10:00:00 name=tap_shop level=ERROR message=one page is lost")
say("anything")
print("on standard output", flush=True)
print(json.dumps({"type": "SCHEMA", "stream": "made", "key_properties": ["id"], "schema": {"properties": {"id": {}}}}))
print(json.dumps({"type": "RECORD", "stream": "made", "record": {"id": 1}}), flush=True)
raise ValueError("no answer")
"""


async def test_a_real_tap_tells_its_levels(store: Store, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "tap-shop").write_text(f"#!{sys.executable}\n{TAP}")
    (tmp_path / "tap-shop").chmod(0o755)
    source = {
        "type": "singer",
        "destinations": ["nowhere"],
        "collections": [{"name": "made"}],
        "config": {
            "command": [str(tmp_path / "tap-shop")],
            "config": {},
            "catalog": {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]},
        },
    }
    config = write_config(tmp_path / "config.yaml", {"s": source})
    task = await store.schedule("made", source_type="singer", max_attempts=1)
    async with running_worker(database_url, config):
        assert await store.ended(task) == "FAILED"
    rows = await store.pool.fetch(
        "SELECT * FROM syncline.log_events WHERE task = $1 AND system = 'tap-shop' ORDER BY line", task
    )
    lines = [(row["level"], row["message"].split("] ", 1)[1]) for row in rows]
    text = ("debug", "on standard output")
    assert text in lines
    errors = [line for line in lines if line != text]
    assert errors[:5] == [
        ("info", "INFO Starting sync"),
        ("warn", "2024-05-01 10:00:00,123 | WARNING  | tap-shop | slow"),
        ("error", "time=2024-05-01 10:00:00 name=tap_shop level=ERROR message=one page is lost"),
        ("debug", "anything"),
        ("error", "Traceback (most recent call last):"),
    ]
    assert errors[-1] == ("error", "ValueError: no answer")
    assert {level for level, _ in errors[4:]} == {"error"}
    assert str((await store.folded(task)).error).endswith("after line 3 of its output: ValueError: no answer")


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


async def test_lines_keep_their_programs_one_by_one_and_with_the_ending(store: Store) -> None:
    worker = await store.worker()
    log = TaskLog(store.pool, worker, refused=lambda _: None)
    own = log.open(await store.claimed(worker), str)
    storing = asyncio.create_task(log.run())
    await own.write("info", "of Syncline")
    for number in range(3):
        await own.write("info", f"line {number}", "tap-shop")
    await own.write("info", "of another", "target-lake")
    await asyncio.wait_for(own.all_stored.wait(), PATIENCE_SECONDS)
    storing.cancel()
    await own.write("warn", "the last", "tap-shop")
    [last] = await own.take_rest()
    ended = ending(own.claim, line=own.next_line())
    assert await store.queue.end_attempts(worker, [structs.replace(ended, lines=[last])]) == []
    rows = await store.pool.fetch("SELECT * FROM syncline.log_events ORDER BY line")
    assert [(row["system"], row["message"].split("] ", 1)[1]) for row in rows] == [
        (None, "of Syncline"),
        *(("tap-shop", f"line {number}") for number in range(3)),
        ("target-lake", "of another"),
        ("tap-shop", "the last"),
    ]


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
