"""Sums of money are those of the source, to the last digit, from every source that knows decimals."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from tests.connectors.attempts import Duckdb, Postgres, Trial
from tests.connectors.destinations.parquet.lake import Lake
from tests.connectors.sources.rest.web import Answer, Server, serving
from tests.connectors.sources.sql.origins import DuckdbOrigin
from tests.scenarios.recording import plans, shows
from tests.scenarios.table import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Ten cents, ten times, are no dollar in binary floats; the others have more digits than a double.
PRICES: Final = [Decimal("0.10")] * 10 + [Decimal("1234567890123456.78"), Decimal("-1234567890123456.77")]
SUM: Final = Decimal("1.01")
RECORDS: Final = [f'{{"id": {number}, "price": {price}}}' for number, price in enumerate(PRICES)]
_MONEY: Final = {"type": "number", "multipleOf": 0.01, "exclusiveMinimum": -(10**16), "exclusiveMaximum": 10**16}
SCHEMA: Final = {"properties": {"id": {"type": "integer"}, "price": _MONEY}}
DESTINATIONS: Final = ("postgres", "duckdb", "parquet", "dlt:duckdb")


@dataclass
class Scene:
    directory: Path
    postgres: Postgres
    server: Server

    def sql(self, origin: Any) -> dict[str, Any]:
        origin.execute("CREATE TABLE made (id INTEGER, price NUMERIC(18, 2))")
        values = ", ".join(f"({number}, {price})" for number, price in enumerate(PRICES))
        origin.execute(f"INSERT INTO made VALUES {values}")
        return {"source_type": "sql", "source_config": {"url": origin.url}}

    def singer(self) -> dict[str, Any]:
        lines = [json.dumps({"type": "SCHEMA", "stream": "made", "key_properties": [], "schema": SCHEMA})]
        lines += [f'{{"type": "RECORD", "stream": "made", "record": {each}}}' for each in RECORDS]
        (self.directory / "tap.py").write_text(f"print({chr(10).join(lines)!r})")
        catalog = {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]}
        command = [sys.executable, str(self.directory / "tap.py")]
        return {"source_type": "singer", "source_config": {"command": command, "config": {}, "catalog": catalog}}

    def airbyte(self) -> dict[str, Any]:
        catalog = {"streams": [{"name": "made", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]}]}
        lines = [
            f'{{"type": "RECORD", "record": {{"stream": "made", "emitted_at": 1, "data": {data}}}}}' for data in RECORDS
        ]
        (self.directory / "connector.py").write_text(f"print({chr(10).join(lines)!r})")
        command = [sys.executable, str(self.directory / "connector.py")]
        return {"source_type": "airbyte", "source_config": {"command": command, "config": {}, "catalog": catalog}}

    def rest(self) -> dict[str, Any]:
        self.server.answers["/rows"] = lambda _query: Answer(f"[{', '.join(RECORDS)}]".encode())
        columns = {"price": {"data_type": "decimal", "precision": 18, "scale": 2}}
        resource = {"name": "made", "endpoint": {"path": "rows"}, "columns": columns}
        config = {"client": {"base_url": self.server.url}, "resources": [resource]}
        return {"source_type": "rest", "source_config": config}

    def files(self, name: str, **parameters: Any) -> dict[str, Any]:
        path = self.directory / name
        if path.suffix == ".parquet":
            columns = {"id": list(range(len(PRICES))), "price": pa.array(PRICES, pa.decimal128(18, 2))}
            parquet.write_table(pa.table(columns), path)
        else:
            path.write_text("id,price\n" + "".join(f"{number},{price}\n" for number, price in enumerate(PRICES)))
        collection = {"parameters": {"path": str(path)} | parameters}
        return {"source_type": "files", "source_config": {}, "collection": collection}

    def python(self) -> dict[str, Any]:
        (self.directory / "own_source.py").write_text(
            "from decimal import Decimal\nfrom syncline import Schema\n\n"
            "@Schema(columns={'id': int, 'price': 'decimal(18,2)'})\n"
            "def made(context):\n"
            f"    for number, price in enumerate({list(map(str, PRICES))}):\n"
            "        yield {'id': number, 'price': Decimal(price)}\n"
        )
        return {
            "source_type": "python",
            "source_config": {"function": "own_source:made", "path": [str(self.directory)]},
        }


SOURCES: Final[dict[str, tuple[str, Callable[[Scene], dict[str, Any]]]]] = {
    "PostgreSQL": ("sql (PostgreSQL)", lambda scene: scene.sql(scene.postgres)),
    "DuckDB": ("sql (DuckDB)", lambda scene: scene.sql(DuckdbOrigin(scene.directory / "origin.duckdb"))),
    "Singer": ("singer", Scene.singer),
    "Airbyte": ("airbyte", Scene.airbyte),
    "REST": ("rest", Scene.rest),
    "Parquet": ("files", lambda scene: scene.files("a.parquet")),
    "CSV": ("files", lambda scene: scene.files("a.csv", types={"id": "integer", "price": "decimal(18,2)"})),
    "Python": ("python", Scene.python),
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", SOURCES)
def test_a_sum_of_money_is_the_sources(
    name: str, empty_database_url: str, tmp_path: Path, server: Server, request: pytest.FixtureRequest
) -> None:
    kind, describe = SOURCES[name]
    plans(request.node, kind, DESTINATIONS, DECIMALS)
    scene = Scene(tmp_path, Postgres(empty_database_url), server)
    postgres, file, lake = scene.postgres, Duckdb(tmp_path / "warehouse.duckdb"), Lake(tmp_path / "lake")
    theirs = tmp_path / "dlt.duckdb"
    destinations = {
        "postgres": postgres.options(),
        "duckdb": file.options(),
        "parquet": lake.options,
        "dlt": {"type": "dlt:duckdb", "dataset": "loaded", "credentials": str(theirs)},
    }
    job = describe(scene)
    collection = {"sync_mode": "full_refresh"} | job.pop("collection", {})
    assert Trial(tmp_path, destinations, **job, collection=collection).run().finished
    (found,) = postgres.execute(
        "SELECT sum(price), (SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'loaded.made'::regclass AND attname = 'price') FROM loaded.made"
    )
    assert found == (SUM, "numeric(18,2)")
    sums = "SELECT sum(price), any_value(typeof(price)) FROM loaded.made"
    expected = [(SUM, "DECIMAL(18,2)")]
    assert file.execute(sums) == expected
    assert Duckdb(theirs).execute(sums) == expected
    files = [str(lake.path / each["name"]) for each in lake.manifest["tables"]["made"]["files"]]
    with duckdb.connect() as connection:
        read = "SELECT sum(price), any_value(typeof(price)) FROM read_parquet($1)"
        assert connection.execute(read, [files]).fetchall() == expected
    for destination in DESTINATIONS:
        shows(request.node, kind, destination, DECIMALS, killed=[])
