"""`syncline sources reset --drop` that cannot drop every table says which are gone, which are not, and what to do."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest

from app.config.reader import load_catalogue
from app.domain.errors import ConfigurationError, SynclineError
from app.execution.table_dropping import drop_and_reset
from app.store.address import DatabaseAddress
from app.store.database import open_pool
from app.store.reads import Reader
from app.store.resets import reset_collection
from tests.connectors.sources.sql.origins import Copying
from tests.integration.cli.test_sources import syncline

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = """
sources:
  shop:
    type: sql
    destinations: [warehouse, lake, nowhere]
    config: {{url: "sqlite:///{directory}/shop.db"}}
destinations:
  warehouse: {{type: postgres, url: "{url}", schema: loaded}}
  lake: {{type: duckdb, path: "{directory}/lake.duckdb"}}
  nowhere: {{type: none}}
"""
RESET = ("reset", "shop", "all", "--drop")
ALL = ["lake: shop_orders", "lake: shop_users", "warehouse: shop_orders", "warehouse: shop_users"]


class Shop:
    """Two tables in one collection, loaded into two destinations; a third keeps nothing."""

    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self.lake = directory / "lake.duckdb"
        self.config = directory / "syncline.yaml"
        self.config.write_text(CATALOGUE.format(directory=directory, url=url))
        with closing(sqlite3.connect(directory / "shop.db")) as connection:
            connection.executescript("CREATE TABLE orders (id INTEGER); CREATE TABLE users (id INTEGER)")
            connection.executescript("INSERT INTO orders VALUES (1); INSERT INTO users VALUES (1)")
        destinations: dict[str, dict[str, Any]] = {
            "warehouse": {"type": "postgres", "url": url, "schema": "loaded"},
            "lake": {"type": "duckdb", "path": str(self.lake)},
        }
        copying = Copying(f"sqlite:///{directory}/shop.db", directory, destinations)
        copying.source, copying.collection = "shop", {"name": "all", "type": "all", "table_name": "shop_all"}
        assert copying.run().finished

    def reset(self, *options: str) -> subprocess.CompletedProcess[str]:
        return syncline(self.config, *RESET, *options, url=self.url)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def tables(self) -> list[str]:
        find = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'shop%'"
        with duckdb.connect(str(self.lake)) as connection:
            lake = [f"lake: {name}" for (name,) in connection.execute(find).fetchall()]
        return sorted([*lake, *(f"warehouse: {name}" for (name,) in self.execute(find))])

    @property
    def was_reset(self) -> bool:
        return self.execute("SELECT count(*) FROM syncline.resets") == [(1,)]


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Shop:
    return Shop(tmp_path, database_url)


def dropped(output: str) -> list[str]:
    return sorted(line.removesuffix(" was dropped.") for line in output.splitlines() if "was dropped" in line)


def test_a_table_that_cannot_be_dropped_does_not_keep_the_others(shop: Shop) -> None:
    assert shop.tables == ALL
    shop.execute("CREATE VIEW loaded.seen AS SELECT id FROM loaded.shop_orders")
    stopped = shop.reset("--yes")
    assert (stopped.returncode, dropped(stopped.stdout)) == (1, [*ALL[:2], ALL[3]]), stopped.stderr
    reason, rest = stopped.stderr.splitlines()
    assert reason.startswith("syncline: destination 'warehouse': ")
    assert (
        "view loaded.seen depends on table loaded.shop_orders). Run DROP VIEW loaded.seen, and make it again" in reason
    )
    assert rest == (
        "syncline: still there: warehouse: shop_orders. shop.all was not reset: run the command again when nothing is "
        "in the way"
    )
    assert (shop.tables, shop.was_reset) == ([ALL[2]], False)
    shop.execute("DROP VIEW loaded.seen")
    again = shop.reset("--yes")
    assert (again.returncode, dropped(again.stdout)) == (0, [ALL[2]]), again.stderr
    assert (shop.tables, shop.was_reset) == ([], True)


def test_a_destination_that_does_not_answer_keeps_its_tables(shop: Shop) -> None:
    with subprocess.Popen(
        command(),
        env=environment(shop),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as asked:
        assert asked.stdout is not None
        assert asked.stdout.read(len("\n".join(ALL)) + len("Drop these 4 tables?")).startswith("warehouse: ")
        shop.lake.rename(shop.lake.with_name("moved"))
        shop.lake.mkdir()
        output, errors = asked.communicate("y\n", timeout=300)
    assert (asked.returncode, dropped(output)) == (1, ALL[2:]), errors
    reason, rest = errors.splitlines()
    assert reason.startswith("syncline: destination 'lake': ")
    assert rest.startswith("syncline: still there: lake: shop_orders, lake: shop_users. shop.all was not reset")


def test_what_is_gone_and_what_may_be_there_is_told_after_ctrl_c(shop: Shop) -> None:
    with psycopg.connect(shop.url) as reader:
        reader.execute("SELECT * FROM loaded.shop_users")
        with subprocess.Popen(
            command("--yes"),
            env=environment(shop),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the suite in the background lets it ignore Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- takes no lock
        ) as interrupted:
            assert interrupted.stdout is not None
            while "warehouse: shop_orders was dropped" not in interrupted.stdout.readline():
                pass
            interrupted.send_signal(signal.SIGINT)
            output, errors = interrupted.communicate(timeout=300)
    assert (interrupted.returncode, dropped(output)) == (1, [])
    assert errors.splitlines()[0] == (
        "syncline: interrupted. Perhaps still there: warehouse: shop_users, lake: shop_orders, lake: shop_users. "
        "shop.all was not reset: run the command again when nothing is in the way"
    )
    assert (shop.tables, shop.was_reset) == ([*ALL[:2], ALL[3]], False)


def test_a_file_that_is_missing_is_not_made(shop: Shop) -> None:
    shop.lake.unlink()
    done = shop.reset("--yes")
    assert (done.returncode, dropped(done.stdout)) == (0, ALL[2:]), done.stderr
    assert not shop.lake.exists()


def test_two_at_once_drop_every_table_without_an_error(shop: Shop) -> None:
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(shop.reset, "--yes") for _ in range(2)]
    for each in both:
        assert each.result().returncode == 0, each.result().stderr
    assert (shop.tables, shop.was_reset) == ([], True)


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", "sources", *RESET, *options]


def environment(shop: Shop) -> dict[str, str]:
    data = str(shop.config.parent / "data")
    return os.environ | {"SYNCLINE_DATA_DIR": data, "SYNCLINE_CONFIG": str(shop.config), "DATABASE_URL": shop.url}


def test_the_api_drops_all_of_them_or_says_why_not(shop: Shop) -> None:
    def drop() -> list[str]:
        """Which collections were reset."""
        return asyncio.run(drop_for_the_api(shop))

    shop.execute("CREATE VIEW loaded.seen AS SELECT id FROM loaded.shop_orders")
    with pytest.raises(
        SynclineError,
        match=r"loaded\.seen.*Still there: warehouse: shop_orders\. The next task of shop\.all loads everything$",
    ):
        drop()
    assert shop.tables == [ALL[2]]
    assert shop.was_reset, "before the tables go"
    shop.execute("DROP VIEW loaded.seen")
    assert drop() == ["all"]
    assert shop.tables == []
    assert drop() == ["all"]
    asked = ("backfill", "shop", "all", "--from", "2024-01-01", "--to", "2024-02-01")
    task = syncline(shop.config, *asked, url=shop.url).stdout.strip()[-36:]
    with pytest.raises(ConfigurationError, match=rf"shop\.all has the unfinished task {task}: cancel it, or wait"):
        drop()


async def drop_for_the_api(shop: Shop) -> list[str]:
    done: list[str] = []
    async with open_pool(DatabaseAddress.of(shop.url), name="test") as pool:

        async def reset(collection: str) -> None:
            await reset_collection(pool, "shop", collection)
            done.append(collection)

        await drop_and_reset(
            load_catalogue(shop.config, {}),
            "shop",
            ["all"],
            reset=reset,
            reader=Reader(pool),
            data_dir=shop.config.parent,
            now=dt.datetime.now(dt.UTC),
        )
    return done
