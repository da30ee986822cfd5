"""Sources of every kind, each with rows that a test gives it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import msgspec

from tests.scenarios.rows import made

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from tests.connectors.sources.sql.origins import Origin
    from tests.scenarios.local_api import RowsApi
    from tests.scenarios.rows import Row


class Source(Protocol):
    """`kind` is its name in the table of what works, `whole` tells that it knows no other reading than of all rows.

    `cursor_field` is what tells it which are new, if that has to be said; `resent` is the most records that a run reads
    when none is.
    """

    @property
    def kind(self) -> str: ...
    @property
    def whole(self) -> bool: ...
    @property
    def cursor_field(self) -> str | None: ...
    @property
    def resent(self) -> int: ...

    def put(self, rows: list[Row]) -> list[Row]:
        """Makes these its rows, which come in the order of their changes, and returns those that it then has."""

    def job(self) -> dict[str, Any]:
        """`source_type`, `source_config` and what the collection has to say."""


@dataclass
class SqlSource:
    """A table of a database."""

    kind: str
    origin: Origin
    chunk_rows: int = 5
    whole: ClassVar[bool] = False
    cursor_field: ClassVar[str | None] = "seq"
    resent: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.origin.execute("CREATE TABLE made (id INTEGER, seq INTEGER, text TEXT)")

    def put(self, rows: list[Row]) -> list[Row]:
        self.origin.execute("DELETE FROM made")
        values = ", ".join(f"({row.id}, {row.seq}, '{row.text}')" for row in rows)
        self.origin.execute(f"INSERT INTO made VALUES {values}")
        return rows

    def job(self) -> dict[str, Any]:
        return {
            "source_type": "sql",
            "source_config": {"url": self.origin.url, "chunk_rows": self.chunk_rows},
            "collection": {},
        }


TAP_POSTGRES: Final = "meltanolabs-tap-postgres==0.10.0"
# It brings what runs a manifest, too.
SOURCE_FAKER: Final = "airbyte-source-faker==7.2.1"

# What a tap of the usual sort does: it begins at the value of its state, sends that row again, and then states.
_TAP = """
import json, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
state = json.load(open(arguments["--state"])) if "--state" in arguments else {"seq": -1}
rows = json.load(open(json.load(open(arguments["--config"]))["rows"]))
kinds = {"id": "integer", "seq": "integer", "text": "string"}
print(json.dumps({"type": "SCHEMA", "stream": "made", "key_properties": [],
    "schema": {"properties": {name: {"type": kind} for name, kind in kinds.items()}}}))
for number, row in enumerate(row for row in rows if row["seq"] >= state["seq"]):
    print(json.dumps({"type": "RECORD", "stream": "made", "record": row}))
    state["seq"] = row["seq"]
    if number % 5 == 4:
        print(json.dumps({"type": "STATE", "value": state}))
print(json.dumps({"type": "STATE", "value": state}))
"""


@dataclass
class SingerSource:
    """A tap that reads a file."""

    directory: Path
    kind: ClassVar[str] = "singer"
    whole: ClassVar[bool] = False
    cursor_field: ClassVar[str | None] = "seq"
    resent: ClassVar[int] = 1

    def put(self, rows: list[Row]) -> list[Row]:
        (self.directory / "tap.py").write_text(_TAP)
        (self.directory / "rows.json").write_bytes(msgspec.json.encode(rows))
        return rows

    def job(self) -> dict[str, Any]:
        return {
            "source_type": "singer",
            "source_config": {
                "command": [sys.executable, str(self.directory / "tap.py")],
                "config": {"rows": str(self.directory / "rows.json")},
                "catalog": {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]},
            },
            "collection": {},
        }


_FUNCTION = """
import json
from syncline import Bookmark

def made(context):
    rows = json.load(open(context.config["rows"]))
    for number, row in enumerate(row for row in rows if row["seq"] > (context.bookmark or -1)):
        yield row
        if number % 5 == 4 or row == rows[-1]:
            yield Bookmark(row["seq"])
"""


@dataclass
class PythonSource:
    """A function that reads a file."""

    directory: Path
    kind: ClassVar[str] = "python"
    whole: ClassVar[bool] = False
    cursor_field: ClassVar[str | None] = "seq"
    resent: ClassVar[int] = 0

    def put(self, rows: list[Row]) -> list[Row]:
        (self.directory / "own_source.py").write_text(_FUNCTION)
        (self.directory / "rows.json").write_bytes(msgspec.json.encode(rows))
        return rows

    def job(self) -> dict[str, Any]:
        return {
            "source_type": "python",
            "source_config": {
                "function": "own_source:made",
                "path": [str(self.directory)],
                "config": {"rows": str(self.directory / "rows.json")},
            },
            "collection": {},
        }


@dataclass
class FilesSource:
    """A directory where every change adds files of what is new, five rows in each."""

    directory: Path
    written: list[Row] = field(default_factory=list)
    kind: ClassVar[str] = "files"
    whole: ClassVar[bool] = False
    cursor_field: ClassVar[str | None] = None
    resent: ClassVar[int] = 0

    def put(self, rows: list[Row]) -> list[Row]:
        self._inbox.mkdir(exist_ok=True)
        new = [row for row in rows if row not in self.written]
        for begin in range(0, len(new), 5):
            name = f"{len(self.written) + begin:03}.jsonl"
            lines = [msgspec.json.encode(row) + b"\n" for row in new[begin : begin + 5]]
            (self._inbox / name).write_bytes(b"".join(lines))
        self.written += new
        return rows

    def job(self) -> dict[str, Any]:
        return {
            "source_type": "files",
            "source_config": {},
            "collection": {"parameters": {"path": f"{self._inbox}/*.jsonl", "types": {"id": "integer"}}},
        }

    @property
    def _inbox(self) -> Path:
        return self.directory / "inbox"


@dataclass
class RedisSource:
    """A key for each row, with its fields as JSON."""

    client: redis.Redis
    url: str
    kind: ClassVar[str] = "redis"
    whole: ClassVar[bool] = True
    cursor_field: ClassVar[str | None] = None
    resent: ClassVar[int] = 0

    def put(self, rows: list[Row]) -> list[Row]:
        self.client.flushall()
        self.client.mset({f"made:{row.id}": json.dumps({"id": row.id, "text": row.text}) for row in rows})
        return rows

    def job(self) -> dict[str, Any]:
        return {
            "source_type": "redis",
            "source_config": {"url": self.url},
            "collection": {"parameters": {"redis_key": "made:*"}},
        }


@dataclass
class SyntheticSource:
    """So many rows as it is given; it cannot change one."""

    count: int = 0
    kind: ClassVar[str] = "synthetic"
    whole: ClassVar[bool] = True
    cursor_field: ClassVar[str | None] = None
    resent: ClassVar[int] = 0

    def put(self, rows: list[Row]) -> list[Row]:
        self.count = len(rows)
        return [replace(row, text=f"record {row.id}") for row in made(self.count)]

    def job(self) -> dict[str, Any]:
        return {
            "source_type": "synthetic",
            "source_config": {},
            "collection": {"parameters": {"records": self.count, "log_lines": 0}},
        }


# A tap of fifteen lines, as the SDK's own guide has it.
_SDK_TAP = """
import json
from singer_sdk import Stream, Tap, typing as th
class Made(Stream):
    name, primary_keys, replication_key, is_sorted = "made", ("id",), "seq", True
    schema = th.PropertiesList(
        th.Property("id", th.IntegerType), th.Property("seq", th.IntegerType), th.Property("text", th.StringType)
    ).to_dict()
    def get_records(self, context):
        start = self.get_starting_replication_key_value(context) or 0
        return (row for row in json.load(open(self.config["rows"])) if row["seq"] >= start)
class TapMade(Tap):
    name = "tap-made"
    config_jsonschema = th.PropertiesList(th.Property("rows", th.StringType, required=True)).to_dict()
    def discover_streams(self):
        return [Made(self)]
TapMade.cli()
"""


@dataclass
class SdkTapSource(SingerSource):
    """The same file through a tap made with Singer's SDK; `python` has it."""

    python: Path

    def put(self, rows: list[Row]) -> list[Row]:
        super().put(rows)
        (self.directory / "tap.py").write_text(_SDK_TAP)
        return rows

    def job(self) -> dict[str, Any]:
        config = {"rows": str(self.directory / "rows.json")}
        command = [str(self.python), str(self.directory / "tap.py")]
        return {"source_type": "singer", "source_config": {"command": command, "config": config}, "collection": {}}


@dataclass
class PackagedTapSource(SqlSource):
    """A table of PostgreSQL through meltanolabs-tap-postgres, installed from the package index."""

    config: dict[str, Any] = field(default_factory=dict)

    def job(self) -> dict[str, Any]:
        config = self.config | {"filter_schemas": ["public"]}
        return {
            "source_type": "singer",
            "source_config": {"package": TAP_POSTGRES, "config": config},
            "collection": {},
        }


@dataclass
class RestSource:
    """An API with pages, of which a run reads what has changed since the last."""

    api: RowsApi
    kind: ClassVar[str] = "rest"
    whole: ClassVar[bool] = False
    cursor_field: ClassVar[str | None] = None
    resent: ClassVar[int] = 1

    def put(self, rows: list[Row]) -> list[Row]:
        self.api.rows = rows
        return rows

    def job(self) -> dict[str, Any]:
        endpoint = {
            "path": "rows",
            "data_selector": "rows",
            "paginator": {"type": "json_link", "next_url_path": "next"},
            "incremental": {"cursor_path": "at", "start_param": "since", "row_order": "asc"},
        }
        return {
            "source_type": "rest",
            "source_config": {
                "client": {"base_url": self.api.url},
                "resources": [{"name": "made", "endpoint": endpoint}],
            },
            "collection": {},
        }


_MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [made]}
streams:
  - type: DeclarativeStream
    name: made
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester: {type: HttpRequester, url_base: "{{ config['url'] }}", path: /rows, http_method: GET}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [rows]}}
      paginator:
        type: DefaultPaginator
        page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}
        pagination_strategy: {type: PageIncrement, page_size: 5, start_from_page: 1}
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      start_datetime: {type: MinMaxDatetime, datetime: "2024-01-01T00:00:00Z", datetime_format: "%Y-%m-%dT%H:%M:%SZ"}
      start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}
    schema_loader:
      type: InlineSchemaLoader
      schema: {type: object, properties:
        {id: {type: integer}, seq: {type: integer}, text: {type: string}, at: {type: string, format: date-time}}}
spec: {type: Spec, connection_specification: {type: object, required: [url], properties: {url: {type: string}}}}
"""


@dataclass
class ManifestSource(RestSource):
    """The same API, read by a declarative manifest of Airbyte."""

    kind: ClassVar[str] = "airbyte"

    def job(self) -> dict[str, Any]:
        properties = {"id": "integer", "seq": "integer", "text": "string", "at": "string"}
        stream = {
            "name": "made",
            "json_schema": {"properties": {name: {"type": kind} for name, kind in properties.items()}},
            "supported_sync_modes": ["full_refresh", "incremental"],
            "source_defined_cursor": True,
            "default_cursor_field": ["at"],
            "source_defined_primary_key": [["id"]],
        }
        return {
            "source_type": "airbyte",
            "source_config": {
                "manifest": _MANIFEST,
                "package": SOURCE_FAKER,
                "catalog": {"streams": [stream]},
                "config": {"url": self.api.url},
            },
            "collection": {},
        }
