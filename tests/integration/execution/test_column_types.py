"""Which types columns get at destinations, before a catalogue has a collection with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import yaml

from app.config.reader import load_catalogue
from app.domain.attempt_protocol import ColumnTypes
from app.execution.column_types import describe_types

if TYPE_CHECKING:
    from pathlib import Path


def test_each_destination_says_what_it_would_make_and_makes_nothing(empty_database_url: str, tmp_path: Path) -> None:
    destinations = {
        "warehouse": {"type": "postgres", "url": empty_database_url, "schema": "shop"},
        "file": {"type": "duckdb", "path": str(tmp_path / "shop.duckdb")},
        "target": {"type": "singer", "command": ["cat"]},
        "one": {"type": "dlt:duckdb", "dataset": "shop", "credentials": f"duckdb:///{tmp_path}/one.duckdb"},
        "two": {"type": "dlt:duckdb", "dataset": "shop", "credentials": f"duckdb:///{tmp_path}/two.duckdb"},
        "nowhere": {"type": "none"},
        "away": {"type": "postgres", "url": "postgresql://me:very-secret@127.0.0.1:1/none", "schema": "public"},
    }
    catalogue = load_catalogue(yaml.safe_dump({"destinations": destinations}), {})
    types = ["decimal(18,2)", "json", "text", "uuid"]
    names = [*destinations, "lost"]
    described = asyncio.run(describe_types(catalogue, names, types, data_dir=tmp_path / "data"))
    assert [each.destination for each in described] == names
    found = {each.destination: each for each in described}
    assert found["warehouse"] == ColumnTypes(
        "warehouse", {"decimal(18,2)": "numeric(18,2)", "json": "jsonb", "text": "text", "uuid": "uuid"}
    )
    assert found["file"].types["decimal(18,2)"] == "DECIMAL(18,2)"
    assert found["target"].types.keys() == {*types}
    assert found["one"].types.keys() == found["two"].types.keys() == {*types}
    assert found["nowhere"] == ColumnTypes("nowhere")
    assert found["away"].types == {}
    assert found["away"].error.startswith("destination 'away': ")
    assert "very-secret" not in found["away"].error
    assert found["lost"].error.startswith("unknown destination 'lost'")
    with psycopg.connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regnamespace('shop')").fetchone() == (None,)
    assert [*tmp_path.glob("*.duckdb")] == []


async def test_whatever_goes_wrong_is_told_of_each_destination(tmp_path: Path) -> None:
    catalogue = load_catalogue(yaml.safe_dump({"destinations": {"nowhere": {"type": "none"}}}), {})
    [only] = await describe_types(catalogue, ["nowhere"], ["no such type"], data_dir=tmp_path / "data")
    assert (only.types, "no such type" in only.error) == ({}, True)
