"""`syncline bookmarks`, as people type it, and what the next task then does."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import psycopg
import pytest
from click.testing import CliRunner

from app.cli.main import cli
from app.projections import verify
from tests.harness import opened, opened_store, running_worker, write_config

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-hunter2"
PLACE = r"[0-9]+\.[0-9a-f-]{36}\.[0-9]+"


@dataclass(frozen=True)
class Shop:
    """A source of ten rows, its service, and the command line."""

    directory: Path
    config: Path
    url: str

    def syncline(self, *arguments: str, code: int = 0) -> str:
        """What `syncline bookmarks` prints, on the stream that goes with the code."""
        environment = {"DATABASE_URL": self.url, "SYNCLINE_CONFIG": str(self.config)}
        environment["SYNCLINE_DATA_DIR"] = str(self.directory / "data")
        done = CliRunner().invoke(cli, ["bookmarks", *arguments], env=environment)
        assert done.exit_code == code, done.output
        assert SECRET not in done.output
        return done.stdout if code == 0 else done.stderr

    def load(self) -> int:
        """How many records a task has read."""

        async def load() -> int:
            async with opened_store(self.url) as store, running_worker(self.url, self.config):
                task = await store.schedule("orders", "shop", source_type="sql")
                assert await store.ended(task) == "SUCCESS", await store.messages(task)
                return int((await store.events(task))[-1].data["records_read"])

        return asyncio.run(load())

    def places(self) -> list[str]:
        """The positions of the history, newest first."""
        _, history = self.syncline("list", "shop", "orders").split("\n\n")
        return re.findall(rf"^{PLACE}", history, re.MULTILINE)

    def ids(self, name: str) -> list[int]:
        with duckdb.connect(str(self.directory / f"{name}.duckdb")) as connection:
            return [row[0] for row in connection.execute("SELECT id FROM main.shop_orders ORDER BY id").fetchall()]


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Shop:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [(number, number) for number in range(10)])
    incremental = {"sync_mode": "incremental", "cursor_field": "at", "primary_key": ["id"]}
    sources = {
        "shop": {
            "type": "sql",
            "destinations": ["lake", "other"],
            "config": {"url": f"sqlite:///{tmp_path / 'shop.db'}"},
            "collections": [{"name": "orders", **incremental}, {"name": "whole", "type": "orders"}],
        },
        "api": {
            "type": "singer",
            "destinations": ["lake"],
            "config": {"command": ["tap"], "config": {"password": SECRET}, "catalog": {"streams": []}},
            "collections": [{"name": "made"}],
        },
        "load": {"type": "synthetic", "destinations": ["nowhere"], "collections": ["made"]},
    }
    lakes = {name: {"type": "duckdb", "path": str(tmp_path / f"{name}.duckdb")} for name in ("lake", "other")}
    return Shop(tmp_path, write_config(tmp_path / "config.yaml", sources, lakes), database_url)


def value(at: int) -> str:
    return json.dumps({"cursor_field": "at", "type": "integer", "value": str(at)})


@pytest.mark.long
def test_the_next_task_reads_from_what_was_set_until_it_is_undone(shop: Shop) -> None:
    assert shop.syncline("list", "shop", "orders") == "shop.orders has no bookmark yet.\n"
    shop.load()
    [loaded, _] = shop.places()
    printed = shop.syncline("set", "shop", "orders", "--to", value(4), "--destination", "lake")
    assert "shop.orders at lake: the next task reads from " in printed
    assert "shop.orders at other: keeps its bookmark\n" in printed
    undo = shlex.split(printed.splitlines()[-1].removeprefix("To undo: syncline bookmarks "))
    assert undo == ["set", "shop", "orders", "--to", loaded, "--destination=lake"]
    assert shop.syncline("diff", "shop", "orders", loaded) == '~ lake.value: "9" → "4"\n'
    assert shop.load() == 6 + 1
    assert shop.ids("lake") == shop.ids("other") == list(range(10))
    was_set = shop.places()[2]
    shop.syncline("set", "shop", "orders", "--to", was_set)
    assert shop.syncline("diff", "shop", "orders", was_set) == "Nothing is different.\n"
    shop.syncline(*undo)
    assert shop.load() <= 2
    assert shop.ids("lake") == list(range(10))

    async def drifts() -> object:
        async with opened(shop.url) as pool:
            return await verify(pool)

    assert asyncio.run(drifts()) == []


@pytest.mark.long
def test_nothing_is_removed_where_another_destination_loads_everything(shop: Shop) -> None:
    shop.load()
    with closing(sqlite3.connect(shop.directory / "shop.db")) as connection, connection:
        connection.execute("DELETE FROM orders WHERE id < 5")
    printed = shop.syncline("set", "shop", "orders", "--to-value", "null", "--destination", "other")
    assert "shop.orders at other: the next task loads everything\n" in printed
    shop.load()
    assert (shop.ids("lake"), shop.ids("other")) == (list(range(10)), list(range(5, 10)))


def test_what_may_be_a_position_or_a_value_has_to_be_named(shop: Shop) -> None:
    both = "--to 17 may be a position or a value: use --to-position or --to-value."
    assert both in shop.syncline("set", "shop", "orders", "--to", "17", code=2)
    neither = "--to has neither the id of an event, as 'syncline bookmarks list' shows it, nor JSON."
    assert neither in shop.syncline("set", "shop", "orders", "--to", "2024-01-31", code=2)
    one = "give one of --to, --to-position and --to-value."
    assert one in shop.syncline("set", "shop", "orders", code=2)
    assert one in shop.syncline("set", "shop", "orders", "--to-position", "1", "--to-value", "1", code=2)
    assert "give an earlier position" in shop.syncline("set", "shop", "orders", "--to", "now", code=2)
    none = "there was no bookmark at position 17; to load everything, run 'syncline sources reset'"
    assert none in shop.syncline("set", "shop", "orders", "--to-position", "17", code=2)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["shop", "orders", "--to-value", '{"at": 3}'], "this cannot be a bookmark: it must have the form"),
        (["shop", "orders", "--to-value", "{"], "this cannot be a bookmark: it is not valid JSON"),
        (["shop", "orders", "--to-value", r'"\u0000"'], "this cannot be a bookmark: it has a NUL character"),
        (["shop", "whole", "--to", value(3)], "this cannot be a bookmark: the collection reads everything each time"),
        (["shop", "orders", "--to", value(3), "--destination", "lakes"], "unknown destination with a bookmark 'lakes'"),
        (["load", "made", "--to", "{}"], "has no destination that keeps rows, so it has no bookmarks"),
        (["shop", "others", "--to", "{}"], "Collection [others] doesn't exist in source [shop]"),
        (
            ["shop", "orders", "--to", "1.0192f7c2-0000-7000-8000-000000000001.1"],
            "the store does not have position 1.0192f7c2-0000-7000-8000-000000000001.1",
        ),
    ],
)
def test_what_cannot_be_set_is_refused(shop: Shop, arguments: list[str], why: str) -> None:
    assert why in shop.syncline("set", *arguments, code=2)
    with psycopg.connect(shop.url) as connection:
        assert connection.execute("SELECT count(*) FROM syncline.resets").fetchall() == [(0,)]


def test_a_running_task_is_named(shop: Shop) -> None:
    async def run() -> str:
        async with opened_store(shop.url) as store:
            claim = await store.claimed(await store.worker(), "orders", source="shop")
            return claim.task_id

    task = asyncio.run(run())
    refused = shop.syncline("set", "shop", "orders", "--to", value(3), code=1)
    assert refused == f"syncline: Task [{task}] is running: cancel it, or wait\n"


def test_secrets_are_masked_in_what_is_shown(shop: Shop) -> None:
    first = shop.syncline("set", "api", "made", "--to", json.dumps({"token": SECRET, "at": 1}))
    assert 'reads from {"at":1,"token":"***"}' in first or 'reads from {"token":"***","at":1}' in first
    position = re.findall(PLACE, first)[0]
    shop.syncline("set", "api", "made", "--to", json.dumps({"token": f"Bearer {SECRET}", "at": 2}))
    assert '"token":"Bearer ***"' in shop.syncline("list", "api", "made")
    difference = shop.syncline("diff", "api", "made", position)
    assert sorted(difference.splitlines()) == ["~ lake.at: 1 → 2", '~ lake.token: "***" → "Bearer ***"']
