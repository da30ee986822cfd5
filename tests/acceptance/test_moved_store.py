"""A store that has moved to a server with lower transaction ids serves nobody until `syncline migrate` has run."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import duckdb
import httpx
import psycopg
import pytest

from tests.acceptance.cluster import NO_TLS, TOKEN, Api, Cluster, wait_until
from tests.acceptance.test_cluster import worker_of
from tests.history.reading import read_history
from tests.history.record import Copied
from tests.history.rules import check
from tests.servers.durable import DurableServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = {
    "server": {"admin_token": TOKEN, "drain_seconds": 1},
    "sources": {"s": {"type": "synthetic", "destinations": ["nowhere"], "collections": ["before", "after"]}},
    "destinations": {"nowhere": {"type": "none"}},
}
WHY = "moved to a server with lower transaction IDs"
GAP = 300


@pytest.fixture
def cluster(tmp_path: Path, database_url: str) -> Iterator[Cluster]:
    with Cluster(tmp_path, json.dumps(CONFIG), database_url) as running:
        yield running


def restore_from_older_server(url: str) -> None:
    """As if the newest event came from a server that was ahead, under open connections."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO syncline.events (task, version, type, at, status, attempt, xid)"
            " SELECT task, version + 1, 'LogRetired', at, status, attempt,"
            f" (syncline.position()::text::numeric + {GAP})::text::xid8"
            " FROM syncline.events ORDER BY xid DESC, version DESC LIMIT 1"
        )


def is_refused(api: Api) -> bool:
    ready = httpx.get(f"{api.address}/readyz", trust_env=False, verify=NO_TLS)
    asked = api.call("POST", "/tasks", source="s", collection="after")
    if (ready.status_code, asked.status_code) != (503, 503):
        return False
    assert ready.json()["database"] == "moved"
    assert WHY in ready.json()["error"]
    assert WHY in asked.json()["error"]
    return True


def test_a_moved_store_is_found_while_running_and_at_the_start(cluster: Cluster, database_url: str) -> None:
    bounds = {"app.store.positions._SECONDS": 0.1}
    api, worker = cluster.api(bounds=bounds), cluster.start("worker", bounds=bounds)
    assert api.ended(api.run("s", "before"))["status"] == "SUCCESS"
    # Also in an incarnation above the first one.
    for incarnation in (1, 2):
        restore_from_older_server(database_url)
        wait_until("nobody is served", partial(is_refused, api))
        wait_until("the worker says so", lambda: WHY in worker.text)

        starting = [cluster.start(command) for command in ("api", "worker")]
        assert [process.wait() for process in starting] == [2, 2]
        for process in starting:
            assert process.text.count(WHY) == 1
            assert "run 'syncline migrate'" in process.text
            assert "Traceback" not in process.text
        assert cluster.start("token", "list").wait() == 0, "what repairs a store still works"

        migrating = [cluster.start("migrate") for _ in range(2)]
        assert [process.wait() for process in migrating] == [0, 0]
        told = "new events now follow the old ones"
        assert sum(told in process.text for process in migrating) == 1, "one of two that come together does it"
        wait_until("all are served again", api.is_ready)
        assert api.ended(api.run("s", "after"))["status"] == "SUCCESS"
        assert incarnation_of(database_url) == incarnation
    assert cluster.start("migrate").wait() == 0
    assert incarnation_of(database_url) == 2


def incarnation_of(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT syncline.incarnation()").fetchone()
    assert row
    return int(row[0])


TAP = Path(__file__).with_name("tap.py")
RECORDS = 1000
BURN = "DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
ROLES = (
    "CREATE ROLE syncline_owner; CREATE ROLE syncline_app; CREATE ROLE syncline_report; "
    "CREATE ROLE syncline_request; "
    "GRANT CREATE ON DATABASE app TO syncline_owner"
)


# As docs/operations.md has it.
PUBLISH = """
SELECT format('CREATE PUBLICATION syncline FOR TABLE %s WITH (publish_via_partition_root = true)',
              string_agg(oid::regclass::text, ', '))
FROM pg_class
WHERE relnamespace = 'syncline'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""


def taps(directory: Path) -> str:
    """One that is slow, one that is not."""

    def tap(seconds: float) -> dict[str, object]:
        options = {"stream": "orders", "records": RECORDS, "seconds": seconds}
        return {
            "type": "singer",
            "destinations": ["file"],
            "config": {"command": [sys.executable, str(TAP)], "config": options},
            "collections": [{"name": "orders", "sync_mode": "incremental", "cursor_field": "id"}],
        }

    sync = {"pool": {"size": 1}, "stalled": {"last_heartbeat_threshold_seconds": 3}}
    text = {
        "server": {"admin_token": TOKEN, "drain_seconds": 1, "sync_tasks": sync},
        "sources": {"slow": tap(600), "fast": tap(0)},
        "destinations": {"file": {"type": "duckdb", "path": str(directory / "file.duckdb")}},
    }
    return json.dumps(text)


def by_dump(old: DurableServer, new: DurableServer, kill: Callable[[], None]) -> None:
    kill()
    dump = old.home / "syncline.dump"
    schemas = ("--schema=syncline", "--schema=reporting")
    old.run("pg_dump", "--format=custom", *schemas, f"--file={dump}")
    new.run("pg_restore", "--no-owner", "--role=syncline_owner", "--exit-on-error", dump)


def by_replication(old: DurableServer, new: DurableServer, kill: Callable[[], None]) -> None:
    dump = old.home / "syncline.dump"
    schemas = ("--schema=syncline", "--schema=reporting")
    old.run("pg_dump", "--format=custom", "--schema-only", *schemas, f"--file={dump}")
    new.run("pg_restore", "--no-owner", "--role=syncline_owner", "--exit-on-error", dump)
    tcp = old.tcp
    origin = f"host={tcp['host']} port={tcp['port']} user={tcp['user']} password={tcp['password']} dbname=app"
    with old.connect() as leaving, new.connect() as arriving:
        statement = leaving.execute(PUBLISH).fetchone()
        assert statement
        leaving.execute(statement[0].encode())
        arriving.execute(f"CREATE SUBSCRIPTION syncline CONNECTION '{origin}' PUBLICATION syncline".encode())

        def is_copied() -> bool:
            copying = "SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'"
            return arriving.execute(copying).fetchone() is None

        wait_until("all tables are copied", is_copied)
        kill()
        end = leaving.execute("SELECT pg_current_wal_lsn()").fetchone()

        def is_caught_up() -> bool:
            reached = "SELECT FROM pg_replication_slots WHERE slot_name = 'syncline' AND confirmed_flush_lsn >= %s"
            return leaving.execute(reached, end).fetchone() is not None

        wait_until("all changes have arrived", is_caught_up)
        arriving.execute("DROP SUBSCRIPTION syncline")


@pytest.mark.long
@pytest.mark.parametrize("move", [by_dump, by_replication])
def test_tasks_that_run_and_wait_go_on_in_another_server(
    tmp_path: Path, move: Callable[[DurableServer, DurableServer, Callable[[], None]], None]
) -> None:
    with (
        closing(DurableServer(tmp_path / "old", settings="wal_level = logical\n")) as old,
        closing(DurableServer(tmp_path / "new")) as new,
        Cluster(tmp_path, taps(tmp_path), old.url) as cluster,
    ):
        with old.connect() as connection:
            connection.execute(BURN)
        for server in (old, new):
            with server.connect() as connection:
                connection.execute(ROLES)
        assert cluster.start("migrate").wait() == 0
        api, worker = cluster.api(), cluster.worker()
        done = api.run("fast", "orders")
        assert api.ended(done)["status"] == "SUCCESS"
        running = api.run("slow", "orders")
        wait_until("rows are read", lambda: any(f"100 of {RECORDS}" in line["message"] for line in api.log(running)))
        waiting = api.run("fast", "orders")

        def kill() -> None:
            worker.kill()
            api.process.kill()

        move(old, new, kill)
        old.stop()
        cluster.environment["DATABASE_URL"] = new.url
        cluster.config.write_text(taps(tmp_path).replace('"seconds": 600', '"seconds": 0'))
        for command in ("api", "worker"):
            refused = cluster.start(command)
            assert refused.wait() == 2
            assert WHY in refused.text
        assert cluster.start("migrate").wait() == 0
        assert incarnation_of(new.url) == 1

        api, worker = cluster.api(), cluster.worker()
        wait_until("the worker runs the rescued task", lambda: worker_of(new.url, running) in {worker.pid, None})
        assert api.ended(running)["status"] == "SUCCESS"
        assert api.ended(waiting)["status"] == "SUCCESS"
        again = api.run("fast", "orders")
        assert api.ended(again)["status"] == "SUCCESS"
        wait_until("the statistics are complete", partial(has_counted, new.url, 4))
        assert [process.stop() for process in (worker, api.process)] == [0, 0]
        assert cluster.start("projections", "verify").wait() == 0

        posted = [UUID(task[-36:]) for task in (done, running, waiting, again)]
        history = read_history(new.url, posted=posted, copied=copied(tmp_path), may_fail=frozenset())
        assert check(history) == []


def has_counted(url: str, tasks: int) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT sum(runs) FROM reporting.daily_collection_stats").fetchone()
    return bool(row and row[0] == tasks)


def copied(directory: Path) -> list[Copied]:
    wanted = frozenset(range(1, RECORDS + 1))
    with duckdb.connect(str(directory / "file.duckdb"), read_only=True) as connection:
        return [
            Copied(source, "orders", "file", wanted, Counter(id_ for (id_,) in found), RECORDS, complete=True)
            for source in ("slow", "fast")
            for found in [connection.execute(f"SELECT id FROM {source}_orders").fetchall()]
        ]
