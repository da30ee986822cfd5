"""What a plan says becomes of a table is what attempts make of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from app.config.outline import outline_of
from app.config.reader import load_catalogue
from app.domain.attempt_protocol import Failed
from app.plan.running import Running
from app.plan.tables import Fate, table_changes
from tests.connectors.sources.sql.origins import Copying, SqliteOrigin

if TYPE_CHECKING:
    from pathlib import Path

    from app.config.catalogue import Catalogue

ORDERS = {"name": "orders", "sync_mode": "incremental", "cursor_field": "at", "primary_key": "id"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Shop:
    """A table with one row, loaded by one catalogue after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        origin = SqliteOrigin(directory / "shop.db")
        for table in ("orders", "others"):
            origin.execute(
                f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, then_at INTEGER NOT NULL)"
            )
            origin.execute(f"INSERT INTO {table} VALUES (1, 1, 1)")
        self._copying = Copying(origin.url, directory, {"lake": {"type": "duckdb", "path": str(directory / "lake")}})
        self._copying.source = "shop"
        self._url = origin.url

    def catalogue(self, **changed: Any) -> Catalogue:
        kept = {key: value for key, value in (ORDERS | changed).items() if value is not None}
        source = {"type": "sql", "destinations": ["lake"], "config": {"url": self._url}, "collections": [kept]}
        lake = {"type": "duckdb", "path": str(self._directory / "lake")}
        return load_catalogue(yaml.safe_dump({"sources": {"shop": source}, "destinations": {"lake": lake}}), {})

    def load(self, catalogue: Catalogue) -> str:
        """What the attempt tells."""
        collection = catalogue.sources["shop"].collections["orders"].for_attempt(NOW)
        self._copying.collection = msgspec.to_builtins(collection)
        told = self._copying.run()
        return " ".join([*told.lines, *(each.error for each in told.messages if isinstance(each, Failed))])


@pytest.mark.parametrize(
    ("before", "after", "fate", "told"),
    [
        ({}, {"timeout": "2h"}, None, ""),
        ({}, {"primary_key": "at"}, Fate.RELOADED, "reloading everything"),
        ({}, {"type": "others"}, Fate.RELOADED, "reloading everything"),
        ({}, {"parameters": {"query": "SELECT * FROM orders"}}, Fate.RELOADED, "reloading everything"),
        ({}, {"cursor_field": "then_at"}, Fate.RELOADED, "reading all rows"),
        ({}, {"table_name": "sales"}, Fate.LEFT, "reloading everything"),
        (
            {"write_mode": "append"},
            {"write_mode": "append", "type": "others"},
            Fate.REFUSED,
            "'append' would add all rows",
        ),
        ({"write_mode": "history"}, {"write_mode": "upsert"}, Fate.REFUSED, "has a history"),
    ],
)
def test_a_plan_says_what_the_next_attempt_does(
    before: dict[str, Any], after: dict[str, Any], fate: Fate | None, told: str, tmp_path: Path
) -> None:
    shop = Shop(tmp_path)
    running, planned = shop.catalogue(**before), shop.catalogue(**after)
    assert "again" not in shop.load(running)
    tables = {("shop", "orders"): (("lake", "shop_orders"),)}
    found = table_changes(Running(outline_of(running), tables), outline_of(planned))
    assert [each.fate for each in found] == ([] if fate is None else [fate])
    log = shop.load(planned)
    assert told in log
    if fate is None:
        assert "reloading" not in log
        assert "all rows" not in log
