"""An Airbyte connector for tests, and attempts that read it."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Table
from app.connectors.making import make_source
from app.domain.errors import SynclineError
from tests.connectors.attempts import Attempt, Told, sync_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.connectors.contract.passes import Source
    from app.domain.attempt_protocol import Level

# Answers as its configuration says, and writes down what it was given. With "rows" it counts up from its state.
CONNECTOR = """
import json, sys
command, arguments = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
if command == "spec":
    open(__file__ + ".specs", "a").write("x")
    hidden = {"type": "string", "airbyte_secret": True}
    pin, flag = {"type": "integer", "airbyte_secret": True}, {"type": "boolean"}
    properties = {"phrase": hidden, "pin": pin, "flag": flag}
    print(json.dumps({"type": "SPEC", "spec": {"connectionSpecification": {"properties": properties}}}))
    sys.exit()
config = json.load(open(arguments["--config"]))
def say(kind, **fields):
    print(json.dumps({"type": kind} | fields), flush=True)
def write(lines):
    for line in lines:
        sys.stdout.write(line)
        sys.stdout.flush()
def read(name):
    return json.load(open(arguments[name])) if name in arguments else None
write(config.get(command + "_lines", []))
if command == "check":
    say("CONNECTION_STATUS", connectionStatus=config.get("status", {"status": "SUCCEEDED"}))
elif command == "discover":
    say("CATALOG", catalog=config["catalog"])
elif command == "read":
    state = read("--state")
    with open(config["called"], "w") as called:
        json.dump({"catalog": read("--catalog"), "state": state, "config": config}, called)
    for file in config.get("files", []):
        write(open(file))
    write(config.get("lines", []))
    if "errors" in config:
        print(config["errors"], file=sys.stderr, flush=True)
    if "rows" in config:
        at = state[0]["stream"]["stream_state"]["at"] if state else 0
        for at in range(at, config["rows"]):
            say("RECORD", record={"stream": "made", "emitted_at": 1, "data": {"id": at, "at": at, "text": f"row {at}"}})
            if at % config["state_every"] == 0 or at == config["rows"] - 1:
                say("STATE", state={"type": "STREAM", "stream": {
                    "stream_descriptor": {"name": "made"}, "stream_state": {"at": at}}})
    sys.exit(config.get("code", 0))
"""


def stream(name: str = "made", /, **settings: Any) -> dict[str, Any]:
    """A stream that can be read by increments; its columns are `id`, `at` and `text`."""
    columns = {"id": {"type": "integer"}, "at": {"type": "integer"}, "text": {"type": ["null", "string"]}}
    return {
        "name": name,
        "json_schema": {"type": "object", "properties": columns},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["at"],
    } | settings


def message(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind} | fields) + "\n"


def record(name: str = "made", /, namespace: str | None = None, **data: Any) -> str:
    where = {} if namespace is None else {"namespace": namespace}
    return message("RECORD", record={"stream": name, "emitted_at": 1, "data": data} | where)


def stream_state(name: str, state: Any) -> str:
    descriptor = {"name": name}
    return message(
        "STATE", state={"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state}}
    )


def status(name: str, status: str) -> str:
    said = {"stream_descriptor": {"name": name}, "status": status}
    return message("TRACE", trace={"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": said})


def error(text: str, **fields: Any) -> str:
    return message("TRACE", trace={"type": "ERROR", "emitted_at": 1, "error": {"message": text} | fields})


def new_config(config: dict[str, Any]) -> str:
    control = {"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config}}
    return message("CONTROL", control=control)


@dataclass
class Said:
    """What a reading gave: the tables as they were announced, the records of each, the last bookmark, the log."""

    tables: list[Table] = field(default_factory=list)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    checkpoints: list[str | None] = field(default_factory=list)
    log: list[tuple[Level, str]] = field(default_factory=list)
    progress: float | None = None

    @property
    def bookmark(self) -> str | None:
        return self.checkpoints[-1]


@dataclass
class Connection:
    """`config` is what the connector itself gets; `options` stand beside it in the source's."""

    directory: Path
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    collection: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    tasks: int = 0

    def __post_init__(self) -> None:
        (self.directory / "connector.py").write_text(CONNECTOR)
        self.config |= {"called": str(self.directory / "called.json")}
        self.config.setdefault("catalog", {"streams": [stream()]})
        self.options.setdefault("command", [sys.executable, str(self.directory / "connector.py")])

    @property
    def called(self) -> Any:
        """What the connector's last `read` was given."""
        return json.loads((self.directory / "called.json").read_text())

    @property
    def specified(self) -> int:
        """How often its specification was asked for."""
        return len((self.directory / "connector.py.specs").read_text())

    def read(self, *lines: str, bookmark: str | None = None, **config: Any) -> Said:
        """What comes of these lines, without a destination."""
        said = Said()
        source: Any = self._source({"lines": list(lines)} | config, said)
        with closing(source):
            for item in source.read(bookmark):
                match item:
                    case Table():
                        said.tables.append(item)
                    case Rows():
                        said.records.setdefault(item.table, []).extend(item.records)
                    case Checkpoint():
                        said.checkpoints.append(item.bookmark)
        said.progress = source.progress()
        return said

    def failure(self, *lines: str, **config: Any) -> SynclineError:
        try:
            self.read(*lines, **config)
        except SynclineError as error:
            # Its frames hold the connector's pipes open.
            return error.with_traceback(None)
        pytest.fail("nothing has failed")

    def check(self, **config: Any) -> Said:
        said = Said()
        with closing(self._source(config, said)) as source:
            source.check()
        return said

    def start(self, *, again: int = 0, **config: Any) -> Attempt:
        """An attempt of a new task; `again` > 0 is another one of the last."""
        self.tasks += not again
        return Attempt(self._job(again, config))

    def run(self, *, again: int = 0, die: str | None = None, **config: Any) -> Told:
        """The same to its end, which is the fail point `die` if there is one."""
        with pytest.MonkeyPatch.context() as patched:
            if die:
                patched.setenv("SYNCLINE_FAIL_POINTS", f"{die}=kill")
            attempt = self.start(again=again, **config)
        told = Told(list(attempt.messages()))
        attempt.close()
        return told

    def _source(self, config: dict[str, Any], said: Said) -> Source:
        work_dir = self.directory / "attempt"
        work_dir.mkdir(exist_ok=True)
        job = sync_of(self._job(0, config))
        return make_source(job, work_dir=work_dir, log=lambda level, message: said.log.append((level, message)))

    def _job(self, again: int, config: dict[str, Any]) -> dict[str, Any]:
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        collection = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
        return {
            "task": task,
            "task_id": f"source_made_{task}",
            "attempt": 1 + again,
            "source": "source",
            "source_type": "airbyte",
            "source_config": self.options | {"config": self.config | config},
            "collection": collection | self.collection,
            "destinations": self.destinations,
            "generation": 0,
            "data_dir": str(self.directory / "state"),
        }
