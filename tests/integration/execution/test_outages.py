"""A destination that refuses connections: one task tries it again, the others wait, and none loses an attempt."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.events import ATTEMPT_FAILED
from app.execution import outages as known_outages
from app.store.outages import Outages
from app.store.reads import Reader
from tests.harness import running_worker, synthetic, until, write_config
from tests.servers.proxy import proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.harness import Store
    from tests.servers.postgres import TcpServer
    from tests.servers.proxy import Proxy

COLLECTIONS = ("a", "b", "c")
CODE = """
def read(context):
    yield {"id": 1}
"""
FIRST = timedelta(milliseconds=200)


class Warehouse:
    """A destination behind a proxy, with a source whose three collections go there."""

    def __init__(self, directory: Path, url: str, proxy: Proxy) -> None:
        self.proxy = proxy
        self._directory = directory
        self._url = url
        (directory / "made.py").write_text(CODE)

    def config(self, **keys: Any) -> Path:
        source = {
            "type": "python",
            "destinations": ["warehouse"],
            "config": {"function": "made:read", "path": str(self._directory)},
            "collections": [*COLLECTIONS],
        }
        warehouse = {"type": "postgres", "url": self._url, "schema": "loaded"}
        sources = {"s": source | keys, "other": synthetic(d={})}
        return write_config(self._directory / "syncline.yaml", sources, {"warehouse": warehouse})


@pytest.fixture
async def warehouse(database_url: str, tcp_postgres: TcpServer, tmp_path: Path) -> AsyncIterator[Warehouse]:
    async with proxied(database_url, tcp_postgres) as (url, proxy):
        yield Warehouse(tmp_path, url, proxy)


@pytest.fixture(autouse=True)
def _looks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_outages, "_FIRST", FIRST)


async def count(store: Store, type_: str) -> int:
    found: int = await store.pool.fetchval("SELECT count(*) FROM syncline.events WHERE type = $1", type_)
    return found


async def test_three_collections_outlast_an_outage_without_losing_an_attempt(
    store: Store, database_url: str, warehouse: Warehouse
) -> None:
    warehouse.proxy.cut()
    tasks = [await store.schedule(name, max_attempts=1) for name in COLLECTIONS]

    async def is_probed() -> bool:
        return bool(await store.pool.fetchval("SELECT probes >= 2 FROM syncline.outages"))

    async with running_worker(database_url, warehouse.config()), running_worker(database_url, warehouse.config()):
        await until(is_probed)
        warehouse.proxy.mend()
        assert [await store.ended(task) for task in tasks] == ["SUCCESS"] * 3
    assert [(await store.folded(task)).failures for task in tasks] == [0, 0, 0]
    assert await count(store, ATTEMPT_FAILED) == 0
    assert await Outages(store.pool).list_current() == []


async def test_what_waits_says_so_and_is_not_claimed(store: Store, database_url: str, warehouse: Warehouse) -> None:
    warehouse.proxy.cut()
    first = await store.schedule("a")
    async with running_worker(database_url, warehouse.config()):
        line = await store.logged(first, "was handed back")
        await store.pool.execute("UPDATE syncline.outages SET probe_at = syncline.clock() + interval '1 hour'")
        before = await store.schedule("b")
        assert await store.ended(await store.schedule("d", "other")) == "SUCCESS", "the worker has claimed meanwhile"
        waiting = (await Reader(store.pool).get_task(before) or {})["waiting"]
    assert ": destination 'warehouse': cannot connect: " in line
    assert "; it cannot be reached since " in line
    assert line.endswith("Z; one task tries it again, and the others wait")
    assert waiting["reason"].startswith("destination 'warehouse': cannot connect: ")
    assert await store.types(before) == ["TaskScheduled"]


async def test_one_attempt_of_all_workers_is_the_probe(store: Store) -> None:
    outages = Outages(store.pool)
    later: dict[str, Any] = {"first": timedelta(), "longest": timedelta(minutes=1)}
    await outages.report("warehouse", ["s"], "refused", is_probe=False, **later)
    assert await outages.begin_probe(["warehouse"]) == {"warehouse"}
    assert await outages.begin_probe(["warehouse"]) == set()
    [outage] = await outages.list_current()
    assert 60 < outage.seconds <= 120, "a probe that is lost holds the others up no longer"
    await outages.report("warehouse", ["s"], "still refused", is_probe=True, **later)
    await outages.report("lake", ["s"], "refused", is_probe=False, **later)
    await store.admin.execute(
        "UPDATE syncline.outages SET probe_at = syncline.clock() + interval '1 minute' WHERE destination = 'lake'"
    )
    assert await outages.begin_probe(["warehouse", "lake"]) == set(), "the attempt would wait for the lake"
    assert await outages.begin_probe(["warehouse"]) == {"warehouse"}
    assert await outages.end("warehouse")
    assert not await outages.end("warehouse")


async def test_probes_come_less_and_less_often_and_others_change_nothing(store: Store) -> None:
    outages = Outages(store.pool)
    later: dict[str, Any] = {"first": timedelta(seconds=10), "longest": timedelta(seconds=60)}
    seconds = []
    for is_probe in (False, False, True, True, True, True):
        await outages.report("warehouse", ["s"], "refused", is_probe=is_probe, **later)
        [outage] = await outages.list_current()
        seconds.append(round(outage.seconds, -1))
    assert seconds == [10, 10, 20, 40, 60, 60]


async def test_an_outage_that_nobody_has_looked_at_for_an_hour_is_over(store: Store) -> None:
    outages = Outages(store.pool)
    later: dict[str, Any] = {"first": timedelta(), "longest": timedelta(minutes=1)}
    await outages.report("warehouse", ["s"], "refused", is_probe=False, **later)
    await store.admin.execute(
        "UPDATE syncline.outages SET probe_at = probe_at - interval '61 minutes', since = probe_at - interval '1 d'"
    )
    assert await outages.list_current() == []
    await outages.report("warehouse", ["s"], "refused", is_probe=False, **later)
    [outage] = await outages.list_current()
    assert await store.pool.fetchval("SELECT syncline.clock() - $1 < interval '1 minute'", outage.since)


async def test_after_max_delay_attempts_count(store: Store, database_url: str, warehouse: Warehouse) -> None:
    warehouse.proxy.cut()
    task = await store.schedule("a", max_attempts=1)
    async with running_worker(database_url, warehouse.config(max_delay="0s")):
        assert await store.ended(task) == "FAILED"
    error = str((await store.folded(task)).error)
    assert error.startswith("destination 'warehouse': cannot connect: ")
    assert error.endswith("Z, and 'max_delay' (0s) allows no longer wait")
