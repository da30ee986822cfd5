"""Taps as users have them: one of fifteen lines with the Singer SDK, and one that reads any API over HTTP."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.connectors.sources.singer.test_tap import run
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.connectors.attempts import Postgres, Warehouse

SMALL_TAP = """
import json, sys
from pathlib import Path
from singer_sdk import Stream, Tap, typing as th

class Orders(Stream):
    name, primary_keys, replication_key, is_sorted = "orders", ("id",), "at", True
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType), th.Property("at", th.IntegerType),
        th.Property("total", th.NumberType), th.Property("note", th.StringType)).to_dict()
    def get_records(self, context):
        for at in range(self.get_starting_replication_key_value(context) or 0, self.config["orders"]):
            yield {"id": at, "at": at, "total": at / 8, "note": f"note {at}"}

class Small(Tap):
    name, config_jsonschema = "small", th.PropertiesList(th.Property("orders", th.IntegerType)).to_dict()
    def discover_streams(self):
        Path(__file__).with_suffix(".log").open("a").write("x" if "--discover" in sys.argv else "")
        return [Orders(tap=self)]

Small.cli()
"""
REST = "tap-rest-api-msdk==1.4.2"


def job(
    source_config: dict[str, Any], name: str, warehouse: Warehouse, data_dir: Path, **collection: Any
) -> dict[str, Any]:
    return {
        "task_id": f"source_{name}",
        "attempt": 1,
        "source": "source",
        "source_type": "singer",
        "source_config": source_config,
        "collection": {"name": name, "type": name, "table_name": name, "start_date": "2020-01-01"} | collection,
        "destinations": {"warehouse": warehouse.options()},
        "generation": 0,
        "data_dir": str(data_dir),
    }


def test_a_tap_of_fifteen_lines_is_discovered_once_selected_from_and_goes_on_where_it_was(
    installed: Path, postgres: Postgres, tmp_path: Path
) -> None:
    tap = tmp_path / "small.py"
    tap.write_text(SMALL_TAP)
    [python] = installed.glob("venvs/meltanolabs-tap-postgres-*/bin/python")
    config = {"command": [str(python), str(tap)], "config": {"orders": 500}}
    asked = job(config, "orders", postgres, tmp_path / "state", parameters={"select": ["total"]})
    told = run(asked)
    assert told.finished.rows_written == 500
    assert postgres.execute("SELECT count(*), sum(total), sum(id) FROM loaded.orders") == [(500, 15593.75, 124750)]
    columns = "SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns"
    assert postgres.execute(f"{columns} WHERE table_name = 'orders' AND column_name !~ '^_'") == [("at id total",)]
    [counted] = [line for line in told.logged if line.message.startswith("record_count 500 (stream orders")]
    assert (counted.level, counted.system) == ("info", "small.py")
    again = run(asked)
    assert (again.finished.records_read, again.finished.rows_written) == (1, 0)
    assert tap.with_suffix(".log").read_text() == "x", "the catalog was discovered once"
    assert run(asked | {"generation": 1}).finished.rows_written == 500
    assert tap.with_suffix(".log").read_text() == "xx", "a cleared cache forgets the catalog"


@contextmanager
def an_api() -> Iterator[str]:
    """Pages of two things with their number."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
            things = [{"id": number, "name": f"thing {number}"} for number in range(2 * page - 1, 2 * page + 1)]
            answer = json.dumps({"things": things if page <= 3 else []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with answering(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_tap_that_needs_an_older_package_beside_it_reads_an_api(packages_home: Path, postgres: Postgres) -> None:
    with an_api() as url:
        config = {
            "package": [REST, "setuptools==80.9.0"],
            "config": {
                "api_url": url,
                "pagination_request_style": "page_number_paginator",
                "pagination_response_style": "page",
                "streams": [
                    {"name": "things", "path": "/things", "primary_keys": ["id"], "records_path": "$.things[*]"}
                ],
            },
        }
        told = run(job(config, "things", postgres, packages_home))
    assert told.finished.rows_written > 0
    assert postgres.execute("SELECT id, name FROM loaded.things ORDER BY id")[:2] == [(1, "thing 1"), (2, "thing 2")]
