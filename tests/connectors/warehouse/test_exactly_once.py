"""Each row once, whatever is killed and whenever."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest

from app.domain.attempt_protocol import Committed
from tests.connectors.attempts import Postgres, Scene, Told, Warehouse

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "SELECT count(*), count(DISTINCT id) FROM loaded.made"


@pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
@pytest.mark.parametrize("stop_at", [0, 13])
def test_a_killed_attempt_leaves_nothing_and_the_next_one_loads_each_row_once(
    scene: Scene, warehouse: Warehouse, key: list[str], stop_at: int
) -> None:
    killed = scene.start(key=key, stop_at=stop_at)
    killed.stands_still()
    killed.kill()
    scene.run(again=1, key=key)
    assert warehouse.execute(ROWS) == [(20, 20)]


@pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
def test_what_was_committed_before_a_kill_is_neither_lost_nor_doubled(
    scene: Scene, warehouse: Warehouse, key: list[str]
) -> None:
    big: dict[str, Any] = {"rows": 130_000, "state_every": 10_000, "key": key}
    killed = scene.start(**big, stop_at=120_500)
    first = next(message for message in killed.messages() if isinstance(message, Committed))
    killed.stands_still()
    killed.kill()
    assert first.bookmark == {"at": 100_000}
    assert warehouse.execute(ROWS) == [(100_001, 100_001)]
    told = scene.run(**big, again=1)
    assert warehouse.execute(ROWS) == [(130_000, 130_000)]
    assert told.finished.rows_written == 29_999


def test_a_destination_that_completed_before_the_kill_is_passed_over(tmp_path: Path, postgres: Postgres) -> None:
    scene = two_schemas(tmp_path, postgres)
    scene.collection = {"sync_mode": "full_refresh"}
    kill_between_commits(scene, postgres)
    told = scene.run(again=1)
    assert [(each.destination, each.rows) for each in told.committed] == [("first", 0), ("second", 20)]
    assert postgres.execute("SELECT (SELECT count(*) FROM a.made), (SELECT count(*) FROM b.made)") == [(20, 20)]
    assert any("'first' already has all rows" in line for line in told.lines)


@pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
def test_destinations_that_are_not_equally_far_each_get_what_they_lack(
    tmp_path: Path, postgres: Postgres, key: list[str]
) -> None:
    scene = two_schemas(tmp_path, postgres)
    scene.config["key"] = key
    kill_between_commits(scene, postgres)
    told = scene.run(rows=25)
    assert [(each.destination, each.rows) for each in told.committed] == [("first", 5), ("second", 25)]
    counts = "SELECT (SELECT count(*) FROM a.made), (SELECT count(*) FROM b.made)"
    assert postgres.execute(counts) == [(25, 25)]
    again = scene.run(rows=30)
    assert again.finished.records_read == 30 - 20, "equally far again, the source is read once"


def test_a_zombie_is_thrown_out_by_the_attempt_that_follows(scene: Scene, warehouse: Warehouse) -> None:
    zombie = scene.start(stop_at=13)
    zombie.stands_still()
    with scene.fifo.open("w"):
        assert scene.run(again=1).finished.rows_written == 20
        warehouse.execute("DELETE FROM loaded.made WHERE id = 7")
    told = Told(list(zombie.messages()))
    zombie.close()
    assert not told.committed
    assert told.failed
    assert warehouse.execute(ROWS) == [(19, 19)]


@pytest.mark.parametrize("sync_mode", ["incremental", "full_refresh"])
def test_of_two_claims_of_one_attempt_only_the_later_one_loads(
    scene: Scene, warehouse: Warehouse, sync_mode: str
) -> None:
    """A database that was promoted from a standby has forgotten the first, and gives the attempt out once more."""
    scene.collection = {"sync_mode": sync_mode}
    forgotten = scene.start(stop_at=13)
    forgotten.stands_still()
    with scene.fifo.open("w"):
        assert scene.run(again=1, attempt=1).finished.rows_written == 20
    told = Told(list(forgotten.messages()))
    forgotten.close()
    assert told.failed
    assert not told.committed
    assert warehouse.execute(ROWS) == [(20, 20)]


def test_an_older_claim_is_refused_whatever_its_attempt_is(scene: Scene, warehouse: Warehouse) -> None:
    scene.run()
    scene.run(again=2, attempt=1)
    late = scene.run(again=1, attempt=2).failed
    assert "a newer attempt is writing collection 'made' of source 'source'" in late.error
    assert late.retryable, "the store gives the task a newer claim"
    assert warehouse.execute(ROWS) == [(20, 20)]


@pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
def test_a_bookmark_that_was_changed_under_an_attempt_lets_it_load_nothing(
    scene: Scene, warehouse: Warehouse, key: list[str]
) -> None:
    """As after a restore of the destination: what the attempt read does not follow on from what is there now."""
    scene.run(key=key)
    running = scene.start(key=key, rows=30, stop_at=25)
    running.stands_still()
    warehouse.execute("DELETE FROM loaded.made WHERE id > 10")
    warehouse.execute("""UPDATE loaded._syncline_bookmarks SET bookmark = '{"at": 10}'""")
    scene.fifo.open("w").close()
    failed = Told.by(running).failed
    assert "the bookmark of collection 'made' of source 'source' changed while this attempt was running" in failed.error
    assert failed.retryable
    assert warehouse.execute(ROWS) == [(11, 11)]
    assert scene.run(key=key, rows=30, again=1).finished
    assert warehouse.execute(ROWS) == [(30, 30)]


def test_a_table_of_bookmarks_that_an_older_release_made_is_taken_over(scene: Scene, warehouse: Warehouse) -> None:
    scene.run()
    warehouse.execute("ALTER TABLE loaded._syncline_bookmarks DROP COLUMN claim")
    assert scene.run(rows=30).finished.rows_written == 10
    assert warehouse.execute(ROWS) == [(30, 30)]


def test_an_attempt_that_comes_late_is_refused(scene: Scene) -> None:
    scene.run()
    scene.run(again=2)
    assert "a newer attempt" in scene.run(again=1).failed.error


def test_no_attempt_of_an_older_task_is_worth_another_try(scene: Scene, warehouse: Warehouse) -> None:
    """A database that was promoted from a standby has forgotten the newer task, and goes on with the older one."""
    scene.run()
    scene.run(rows=30)
    scene.tasks -= 1
    late = scene.run(again=5).failed
    assert (
        "a newer attempt has written collection 'made' of source 'source': task 0192f7c2-0000-7000-8000-0000000"
        in late.error
    )
    assert "it has lost its last commits" in late.error
    assert not late.retryable
    scene.tasks += 1
    assert scene.run(rows=40).finished.rows_written == 10
    assert warehouse.execute(ROWS) == [(40, 40)]


def test_the_tap_dies_with_its_attempt(scene: Scene) -> None:
    attempt = scene.start(stop_at=5)
    attempt.stands_still()
    (tap,) = children_of(attempt.pid)
    end_of_tap = select.poll()
    watched = os.pidfd_open(tap)
    end_of_tap.register(watched, select.POLLIN)
    os.kill(attempt.pid, signal.SIGKILL)
    attempt.close()
    ended = end_of_tap.poll(60_000)
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(watched, signal.SIGKILL)
    os.close(watched)
    assert ended


def test_sigterm_stops_tap_and_attempt_and_leaves_no_file(scene: Scene, warehouse: Warehouse) -> None:
    attempt = scene.start(stop_at=13)
    attempt.stands_still()
    assert attempt.terminate() == 128 + signal.SIGTERM
    assert [path.name for path in (scene.directory / "state" / "attempts").iterdir()] == [".lock"]
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'loaded'"
    assert warehouse.execute(tables) == [("_syncline_bookmarks",)]


def test_files_of_a_killed_attempt_are_removed_by_the_next(scene: Scene) -> None:
    killed = scene.start(stop_at=13)
    killed.stands_still()
    attempts = scene.directory / "state" / "attempts"
    (own,) = (path for path in attempts.iterdir() if path.is_dir())
    assert own.stat().st_mode & 0o777 == 0o700
    assert (own / "config.json").stat().st_mode & 0o777 == 0o600
    killed.kill()
    scene.run(again=1)
    assert not own.exists()


def two_schemas(directory: Path, postgres: Postgres) -> Scene:
    return Scene(directory, {"first": postgres.options("a"), "second": postgres.options("b")})


def kill_between_commits(scene: Scene, postgres: Postgres) -> None:
    attempt = scene.start(stop_at=15)
    attempt.stands_still()
    with psycopg.connect(postgres.url) as blocker:
        blocker.execute("SELECT FROM b._syncline_bookmarks FOR UPDATE")
        scene.fifo.open("w").close()
        committed = next(message for message in attempt.messages() if isinstance(message, Committed))
        attempt.kill()
    assert committed.destination == "first"


def children_of(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]
