"""Real connectors from the package index, installed as a user's would be: a packaged one, and a manifest.

One environment serves both, and all of the tests here, for airbyte-cdk brings some eighty packages.
"""

from __future__ import annotations

import http.server
import json
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.connectors.programs.packages import PackageSet, installed_command
from app.domain.errors import SynclineError
from tests.connectors.attempts import Attempt, Duckdb, Postgres, Told
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "airbyte-source-faker==7.2.1"
TASKS = count(1)
USERS = 150
# What the connectors discover, as far as these tests need it: each discovery takes seconds.
INCREMENTAL = {
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["updated_at"],
    "source_defined_primary_key": [["id"]],
}
USER = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "age": {"type": "integer"},
    "created_at": {"type": "string", "format": "date-time"},
    "updated_at": {"type": "string", "format": "date-time"},
    "address": {"type": "object"},
}
ITEM = {
    "id": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "price": {"type": "number"},
    "updated_at": {"type": "string", "format": "date-time"},
}
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [items]}
streams:
  - type: DeclarativeStream
    name: items
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: "{{ config['url'] }}"
        path: /items
        http_method: GET
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [items]}}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        page_size_option: {type: RequestOption, inject_into: request_parameter, field_name: size}
        pagination_strategy: {type: PageIncrement, page_size: 10, start_from_page: 1}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      cursor_datetime_formats: ["%Y-%m-%dT%H:%M:%SZ"]
      start_datetime: {type: MinMaxDatetime, datetime: "2024-01-01T00:00:00Z", datetime_format: "%Y-%m-%dT%H:%M:%SZ"}
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        properties:
          id: {type: integer}
          name: {type: [string, "null"]}
          price: {type: number}
          updated_at: {type: string, format: date-time}
spec:
  type: Spec
  connection_specification: {type: object, required: [url], properties: {url: {type: string}}}
"""


@pytest.fixture(scope="session")
def data_dir(packages_home: Path) -> Path:
    """Where the environment is."""
    try:
        installed_command(
            PackageSet((PACKAGE,)), executable=None, data_dir=packages_home, log=lambda _level, _message: None
        )
    except SynclineError as error:
        pytest.skip(f"needs a package index: {error}")
    return packages_home


@pytest.fixture
def job(data_dir: Path, postgres: Postgres, duckdb: Duckdb) -> dict[str, Any]:
    return {
        "task_id": "source_users",
        "attempt": 1,
        "source": "source",
        "source_type": "airbyte",
        "source_config": {
            "package": PACKAGE,
            "catalog": {"streams": [{"name": "users", "json_schema": {"properties": USER}} | INCREMENTAL]},
            "config": {"count": USERS, "seed": 1, "always_updated": False, "parallelism": 1, "records_per_slice": 40},
        },
        "collection": {"name": "users", "type": "users", "table_name": "users", "start_date": "2020-01-01"},
        "destinations": {"postgres": postgres.options(), "duckdb": duckdb.options()},
        "generation": 0,
        "data_dir": str(data_dir),
    }


def test_a_check_of_a_connector_passes_or_says_what_is_wrong(job: dict[str, Any]) -> None:
    del job["source_config"]["catalog"]
    assert run(job | new_task() | {"mode": "check", "destinations": {}}).finished
    wrong = job["source_config"] | {"config": {"count": "many"}}
    failed = run(job | new_task() | {"mode": "check", "destinations": {}, "source_config": wrong}).failed
    assert "'many' is not of type 'integer'" in failed.error
    assert not failed.retryable


class Api(http.server.ThreadingHTTPServer):
    """Items in pages, those that have changed since a moment."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Pages)
        self.items = [item(number) for number in range(25)]
        self.asked: list[str] = []


class Pages(http.server.BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        found = [item for item in self.server.items if item["updated_at"] >= query["since"]]
        first = (int(query.get("page", "1")) - 1) * int(query["size"])
        body = json.dumps({"items": found[first : first + int(query["size"])]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def item(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"é {number}", "price": number / 4, "updated_at": f"2024-02-01T00:{number:02}:00Z"}


@pytest.fixture
def api() -> Iterator[Api]:
    with answering(Api()) as server:
        yield server


def test_a_manifest_reads_a_paged_api_and_then_only_what_is_new(
    job: dict[str, Any], api: Api, duckdb: Duckdb, tmp_path: Path
) -> None:
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    job["destinations"] = {"duckdb": duckdb.options()}
    job["collection"] |= {"name": "items", "type": "items", "table_name": "items"}
    job["source_config"] = {
        "manifest": str(tmp_path / "manifest.yaml"),
        "package": PACKAGE,
        "catalog": {"streams": [{"name": "items", "json_schema": {"properties": ITEM}} | INCREMENTAL]},
        "config": {"url": f"http://127.0.0.1:{api.server_port}"},
    }
    task = new_task()
    run(job | task, die="child.staged")
    assert run(job | task | {"attempt": 2}).finished.rows_written == 25
    assert sum("page=3" in path for path in api.asked) == 2
    totals = "SELECT count(*), count(DISTINCT id), sum(price)::double, max(name) FROM loaded.items"
    assert duckdb.execute(totals) == [(25, 25, 75.0, "é 9")]
    asked = len(api.asked)
    api.items.append(item(25))
    told = run(job | new_task())
    assert told.finished.rows_written == 1
    assert len(api.asked) == asked + 1
    assert duckdb.execute("SELECT count(*), count(DISTINCT id) FROM loaded.items") == [(26, 26)]


def new_task() -> dict[str, str]:
    return {"task": f"0192f7c2-0000-7000-8000-{next(TASKS):012}"}


def run(job: dict[str, Any], *, die: str | None = None) -> Told:
    with pytest.MonkeyPatch.context() as patched:
        if die:
            patched.setenv("SYNCLINE_FAIL_POINTS", f"{die}=kill")
        attempt = Attempt(job)
    told = Told(list(attempt.messages()))
    attempt.close()
    return told
