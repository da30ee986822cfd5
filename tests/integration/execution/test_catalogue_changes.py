"""What changes in the catalogue is told once, by names and never by values."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.config.watch import CatalogueWatcher
from app.domain.events import CATALOGUE_CHANGED, SOURCE_ACCEPTED, SOURCE_REJECTED
from app.execution.catalogue_changes import CatalogueChanges
from app.store.catalogue_parts import CatalogueParts
from app.store.catalogues import Catalogues
from app.store.database import connect
from app.store.queries import load_statements
from tests.harness import synthetic, write_config

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Store

PASSWORD = "correct-horse-battery"


class Replica:
    """A worker as far as it tells changes of its catalogue."""

    def __init__(self, store: Store, file: Path) -> None:
        self.file = file
        self.watcher = CatalogueWatcher(file, {})
        self.changes = CatalogueChanges(CatalogueParts(store.pool), Catalogues(store.pool), self.watcher)

    async def take(self, sources: dict[str, Any], destinations: dict[str, Any] | None = None, **server: Any) -> None:
        write_config(self.file, sources, destinations, **server)
        await self.watcher.refresh()
        await self.changes.step()


@pytest.fixture
def replica(store: Store, tmp_path: Path) -> Replica:
    return Replica(store, tmp_path / "one.yaml")


async def told(store: Store, *, since: int = 0) -> list[tuple[str, dict[str, Any]]]:
    rows = await store.pool.fetch(
        "SELECT type, data FROM syncline.events WHERE status IS NULL ORDER BY xid, data ->> 'source' NULLS LAST"
    )
    return [(row["type"], row["data"]) for row in rows][since:]


async def count(store: Store) -> int:
    return len(await told(store))


def shop(password: str, *tables: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "sql",
        "config": {"url": f"postgresql://reader:{password}@db/shop"},
        "destinations": ["nowhere"],
        "collections": [*tables],
    } | more


async def test_the_first_content_is_new(store: Store, replica: Replica) -> None:
    await replica.take({"made": synthetic(a={}, b={})})
    events = await told(store)
    assert events[0] == (
        CATALOGUE_CHANGED,
        {"source": "made", "change": "added", "collections": {"added": ["a", "b"]}},
    )
    assert events[1][1] == {"destinations": {"added": ["nowhere"]}, "server": ["admin_token"]}
    assert len(events) == 2


async def test_a_change_names_keys_and_no_values(store: Store, replica: Replica) -> None:
    await replica.take({"shop": shop(PASSWORD, "orders", "users")})
    before = await count(store)
    schedules = [{"name": "orders", "schedule": "@daily"}, "items"]
    await replica.take(
        {"shop": shop("another-password", collections=schedules)},
        {"lake": {"type": "duckdb", "path": "/tmp/lake.duckdb"}},  # noqa: S108 -- nothing is written there
        retention={"days": 7},
    )
    [(type_, of_source), (_, rest)] = await told(store, since=before)
    assert type_ == CATALOGUE_CHANGED
    assert of_source == {
        "source": "shop",
        "change": "changed",
        "keys": ["config.url"],
        "collections": {
            "added": ["items"],
            "removed": ["users"],
            "changed": {"orders": ["schedule"]},
        },
    }
    assert rest == {"destinations": {"added": ["lake"]}, "server": ["retention.days"]}
    everything = await store.pool.fetch("SELECT e::text FROM syncline.events e")
    parts = await store.pool.fetch("SELECT p::text FROM syncline.catalogue_parts p")
    for row in (*everything, *parts):
        assert PASSWORD not in row[0]
        assert "another-password" not in row[0]


async def test_another_owner_is_a_change(store: Store, replica: Replica) -> None:
    await replica.take({"shop": shop(PASSWORD, "orders", owner="alice")})
    before = await count(store)
    await replica.take({"shop": shop(PASSWORD, "orders", owner="bob", runbook="https://wiki/x")})
    [(type_, data)] = await told(store, since=before)
    assert (type_, data) == (
        CATALOGUE_CHANGED,
        {
            "source": "shop",
            "change": "changed",
            "keys": ["owner", "runbook"],
            "collections": {"changed": {"orders": ["owner", "runbook"]}},
        },
    )


async def test_a_removed_source_is_told_with_its_collections(store: Store, replica: Replica) -> None:
    await replica.take({"made": synthetic(a={}), "other": synthetic(b={})})
    before = await count(store)
    await replica.take({"made": synthetic(a={})})
    assert await told(store, since=before) == [
        (CATALOGUE_CHANGED, {"source": "other", "change": "removed", "collections": {"removed": ["b"]}})
    ]


async def test_a_comment_and_another_order_change_nothing(store: Store, replica: Replica) -> None:
    await replica.take({"made": synthetic(a={}, b={})})
    before = await count(store)
    replica.file.write_text(replica.file.read_text() + "# a comment\n")
    await replica.watcher.refresh()
    await replica.changes.step()
    await replica.take({"made": synthetic(b={}, a={})})
    assert await told(store, since=before) == []


async def test_a_content_is_told_once_however_many_have_it(store: Store, tmp_path: Path) -> None:
    replicas = [Replica(store, tmp_path / f"{number}.yaml") for number in range(4)]
    for sources in ({"made": synthetic(a={})}, {"made": synthetic(a={"records": 1})}):
        await asyncio.gather(*(replica.take(sources) for replica in replicas))
    assert [data.get("change") for _, data in await told(store)].count("added") == 1
    assert [data for _, data in await told(store) if data.get("change") == "changed"] == [
        {"source": "made", "change": "changed", "collections": {"changed": {"a": ["parameters.records"]}}}
    ]


async def test_one_with_an_older_file_does_not_take_it_back(store: Store, replica: Replica, tmp_path: Path) -> None:
    late = Replica(store, tmp_path / "late.yaml")
    for each in (replica, late):
        await each.take({"made": synthetic(a={})})
    await replica.take({"made": synthetic(a={}, b={})})
    before = await count(store)
    late.file.write_text(late.file.read_text() + "# another comment\n")
    await late.watcher.refresh()
    await late.changes.step()
    assert await told(store, since=before) == []
    await late.take({"made": synthetic(a={}, b={})})
    assert await told(store, since=before) == []


async def test_what_a_worker_with_an_older_file_has_told_goes_with_it(
    store: Store, replica: Replica, tmp_path: Path
) -> None:
    await replica.take({"made": synthetic(a={}, b={})})
    older = Replica(store, tmp_path / "older.yaml")
    worker = await store.worker()
    older.changes = CatalogueChanges(
        CatalogueParts(store.pool), Catalogues(store.pool), older.watcher, worker=lambda: worker
    )
    await older.take({"made": synthetic(a={})})
    await older.changes.check()
    before = await count(store)
    await replica.changes.check()
    assert await told(store, since=before) == []
    await store.leases.stop(worker)
    await replica.changes.check()
    assert await told(store, since=before) == [
        (CATALOGUE_CHANGED, {"source": "made", "change": "changed", "collections": {"added": ["b"]}})
    ]


async def test_a_content_that_comes_back_is_a_change(store: Store, replica: Replica) -> None:
    for sources in ({"made": synthetic(a={})}, {"made": synthetic(b={})}, {"made": synthetic(a={})}):
        await replica.take(sources)
    changes = [data["collections"] for _, data in await told(store) if data.get("source")]
    assert changes == [{"added": ["a"]}, {"added": ["b"], "removed": ["a"]}, {"added": ["a"], "removed": ["b"]}]


async def test_a_rejected_source_is_told_once_for_each_problem_and_when_it_is_mended(
    store: Store, replica: Replica
) -> None:
    good = {"made": synthetic(a={}), "shop": shop(PASSWORD, "orders")}
    await replica.take(good)
    before = await count(store)
    wrong = {**good, "shop": shop(PASSWORD, "orders", misfire="never")}
    await replica.take(wrong)
    await Replica(store, replica.file).take(wrong)  # a new process, which has no earlier version
    [(type_, data)] = await told(store, since=before)
    assert (type_, data["source"]) == (SOURCE_REJECTED, "shop")
    assert "misfire" in data["problems"][0]["path"]
    assert PASSWORD not in json.dumps(data)
    await replica.take(good)
    [_, (type_, data)] = await told(store, since=before)
    assert (type_, data) == (SOURCE_ACCEPTED, {"source": "shop"})


async def test_an_event_tells_a_hundred_of_many_problems(store: Store, replica: Replica) -> None:
    many = [{"name": f"c{number}", "misfire": "never"} for number in range(150)]
    await replica.take({"shop": shop(PASSWORD, collections=many)})
    [rejected] = [data for type_, data in await told(store) if type_ == SOURCE_REJECTED]
    assert (len(rejected["problems"]), rejected["more"]) == (100, 50)


async def test_another_secret_key_is_told_and_nothing_else(store: Store, replica: Replica) -> None:
    sources = {"made": synthetic(a={})}
    await replica.take(sources, secret_key="k" * 32)
    before = await count(store)
    await replica.take({**sources, "new": synthetic(b={})}, secret_key="l" * 32)
    assert await told(store, since=before) == [
        (CATALOGUE_CHANGED, {"source": "new", "change": "added", "collections": {"added": ["b"]}}),
        (CATALOGUE_CHANGED, {"server": ["secret_key"]}),
    ]


async def test_what_is_wrong_is_not_told_again_because_of_another_secret_key(store: Store, replica: Replica) -> None:
    wrong = {"made": synthetic(a={}), "shop": shop(PASSWORD, "orders", misfire="never")}
    await replica.take(wrong, secret_key="k" * 32)
    before = await count(store)
    await replica.take(wrong, secret_key="l" * 32)
    assert await told(store, since=before) == [(CATALOGUE_CHANGED, {"server": ["secret_key"]})]


async def test_reports_say_which_collections_have_left_the_catalogue(store: Store, replica: Replica) -> None:
    for collection in ("a", "b"):
        await store.schedule(collection, "made")

    async def known() -> list[tuple[str, bool | None]]:
        rows = await store.admin.fetch("SELECT collection, in_catalogue FROM reporting.collections ORDER BY 1")
        return [tuple(row) for row in rows]

    assert await known() == [("a", None), ("b", None)]
    await replica.take({"made": synthetic(a={})})
    assert await known() == [("a", True), ("b", False)]


async def test_one_that_waited_for_a_later_transaction_tells_again(replica: Replica, database_url: str) -> None:
    """Its transaction id is the lower one, and the feed would show it first."""
    await replica.take({"made": synthetic(a={})})
    early = await connect(database_url)
    try:
        async with early.transaction():
            await early.fetchval("SELECT pg_current_xact_id()")
            await replica.take({"made": synthetic(b={})})
            [row] = await early.fetch(load_statements("catalogue_parts.sql")["hold_content"])
            assert not row["may_follow"]
    finally:
        await early.close()
