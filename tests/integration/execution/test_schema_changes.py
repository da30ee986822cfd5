"""Columns that change at the source, from a real database through an attempt to events, the log and the reports."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from app.projections import verify
from tests.harness import opened_store, running_worker, write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from tests.harness import Store

CHANGES = (
    "SELECT destination, change, field, from_field_type, to_field_type, perhaps_renamed FROM reporting.schema_changes"
    " WHERE task = $1 ORDER BY destination, change, field"
)
COLUMNS = (
    "SELECT field, field_type, column_name, column_type FROM reporting.columns WHERE destination = $1 ORDER BY position"
)
# Yields what the file beside it says.
SOURCE = """
import json, pathlib
def rows(context):
    yield from json.loads(pathlib.Path(__file__).with_name("rows.json").read_text())
"""


@dataclass
class Shop:
    """A source whose tables a test changes, and the service that loads it."""

    store: Store
    url: str

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    async def load(self, collection: str = "users", source: str = "shop") -> UUID:
        task = await self.store.schedule(collection, source, source_type="sql")
        assert await self.store.ended(task) == "SUCCESS", await self.store.messages(task)
        return task

    async def changes(self, task: UUID) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.store.admin.fetch(CHANGES, task)]

    async def columns(self, destination: str = "lake") -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.store.admin.fetch(COLUMNS, destination)]

    async def said(self, task: UUID) -> list[tuple[str, str]]:
        lines = await self.store.log(task)
        return [
            (row["level"], row["message"].partition(": columns have changed: ")[2])
            for row in lines
            if "columns have changed" in row["message"]
        ]


@pytest.fixture
def shop(database_url: str, empty_database_url: str, tmp_path: Path) -> Any:
    """Opens the service with a source `shop` of PostgreSQL, and a source `code` of Python."""
    (tmp_path / "made.py").write_text(SOURCE)
    sources = {
        "shop": {
            "type": "sql",
            "destinations": ["lake"],
            "config": {"url": empty_database_url},
            "collections": [{"name": "users", "primary_key": "id"}],
        },
        "code": {
            "type": "python",
            "destinations": ["lake"],
            "config": {"function": "made:rows", "path": [str(tmp_path)]},
            "collections": [
                {"name": "whole", "sync_mode": "full_refresh"},
                {"name": "new", "primary_key": "id", "sync_mode": "incremental", "write_mode": "upsert"},
            ],
        },
    }
    config = write_config(
        tmp_path / "config.yaml", sources, {"lake": {"type": "duckdb", "path": str(tmp_path / "lake.duckdb")}}
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Shop]:
        async with opened_store(database_url) as store, running_worker(database_url, config):
            yield Shop(store, empty_database_url)

    return opened


@pytest.mark.long
async def test_new_renamed_retyped_and_dropped_columns_are_told(shop: Any) -> None:
    async with shop() as service:
        service.run("CREATE TABLE users (id bigint, email text, age smallint)", "INSERT INTO users VALUES (1, 'a', 30)")
        first = await service.load()
        assert (await service.store.types(first)).count("SchemaChanged") == 1
        assert await service.changes(first) == []
        assert await service.said(first) == []
        assert await service.columns() == [
            ("id", "int8", "id", "BIGINT"),
            ("email", "text", "email", "VARCHAR"),
            ("age", "int2", "age", "BIGINT"),
        ]

        unchanged = await service.load()
        assert "SchemaChanged" not in await service.store.types(unchanged)

        service.run("ALTER TABLE users ADD COLUMN phone text")
        added = await service.load()
        assert await service.changes(added) == [("lake", "added", "phone", None, "text", None)]
        assert await service.said(added) == [("info", "new: 'phone' (text)")]

        service.run("ALTER TABLE users RENAME COLUMN email TO mail")
        renamed = await service.load()
        assert await service.changes(renamed) == [
            ("lake", "added", "mail", None, "text", "email"),
            ("lake", "removed", "email", "text", None, "mail"),
        ]
        assert await service.said(renamed) == [
            ("warn", "new: 'mail' (text); no longer sent: 'email' (text); perhaps 'email' was renamed to 'mail'")
        ]

        service.run("ALTER TABLE users ALTER COLUMN age TYPE integer")
        widened = await service.load()
        assert await service.changes(widened) == [("lake", "retyped", "age", "int2", "int4", None)]

        service.run("ALTER TABLE users ALTER COLUMN age TYPE numeric(10, 2)")
        retyped = await service.load()
        assert await service.changes(retyped) == [("lake", "retyped", "age", "int4", "numeric(10,2)", None)]
        assert await service.said(retyped) == [("warn", "'age' was int4, is numeric(10,2)")]

        service.run("ALTER TABLE users DROP COLUMN phone")
        dropped = await service.load()
        assert await service.changes(dropped) == [("lake", "removed", "phone", "text", None, None)]
        assert [field for field, *_ in await service.columns()] == ["id", "age", "mail"]
        assert await verify(service.store.pool) == []


@pytest.mark.long
async def test_fields_of_records_vanish_only_when_all_of_them_were_read(shop: Any, tmp_path: Path) -> None:
    full, short = {"id": 1, "price": 1.5, "note": "x"}, {"id": 1, "price": 2.5}
    async with shop() as service:
        for collection, gone in (("new", []), ("whole", ["note"])):
            _write_rows(tmp_path, full)
            await service.load(collection, "code")
            _write_rows(tmp_path, short)
            changes = await service.changes(await service.load(collection, "code"))
            assert [field for _, change, field, *_ in changes if change == "removed"] == gone
            assert len(changes) == len(gone)


@pytest.mark.long
async def test_a_load_without_rows_tells_nothing_of_fields_that_only_rows_show(shop: Any, tmp_path: Path) -> None:
    async with shop() as service:
        _write_rows(tmp_path, {"id": 1, "note": "x"})
        await service.load("new", "code")
        _write_rows(tmp_path)
        assert "SchemaChanged" not in await service.store.types(await service.load("new", "code"))
        assert [field for field, *_ in await service.columns()] == ["id", "note"]


def _write_rows(directory: Path, *rows: dict[str, Any]) -> None:
    (directory / "rows.json").write_text(json.dumps(rows))
