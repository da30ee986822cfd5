"""Real attempts for tests: the child process, a tap that stops where a test wants it, and the two warehouses."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import msgspec
import psycopg

from app.attempt import copying
from app.domain.attempt_protocol import AttemptMessage, Checked, Committed, Failed, Finished, LogLine, Sync
from app.failpoints import VARIABLE
from tests.connectors.forked import fork_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.domain.attempt_protocol import Level

# Writes the lines of its configuration, or counts `at` up from the state, which it sends again like a real tap.
# Opening the fifo blocks it until the test opens the other end, and again until the test closes it.
TAP = """
import json, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
config = json.load(open(arguments["--config"]))
def wait():
    open(config["fifo"]).read()
if "lines" in config:
    for line in config["lines"]:
        if line == "wait":
            sys.stdout.flush()
            wait()
        else:
            raw = bytes.fromhex(line[4:]) if line.startswith("hex:") else line.encode()
            sys.stdout.buffer.write(raw + b"\\n")
    sys.exit(config.get("code", 0))
state = json.load(open(arguments["--state"])) if "--state" in arguments else {"at": 0}
print(json.dumps({"type": "SCHEMA", "stream": "made", "key_properties": config["key"], "schema": {"properties": {
    "id": {"type": "integer"}, "at": {"type": "integer"}, "text": {"type": "string"}}}}))
for at in range(state["at"], config["rows"]):
    if at == config.get("stop_at"):
        print("the tap stands still", flush=True)
        wait()
    print(json.dumps({"type": "RECORD", "stream": "made", "record": {"id": at, "at": at, "text": f"row {at}"}}))
    if at % config["state_every"] == 0:
        print(json.dumps({"type": "STATE", "value": {"at": at}}))
"""
CATALOG = {"streams": [{"tap_stream_id": "made", "stream": "made", "schema": {}}]}


class Warehouse(Protocol):
    """A destination of a kind, with the means to look into it."""

    def options(self, schema: str = "loaded") -> dict[str, Any]: ...

    def execute(self, statement: str) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class Postgres:
    url: str

    def options(self, schema: str = "loaded") -> dict[str, Any]:
        return {"type": "postgres", "url": self.url, "schema": schema}

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Duckdb:
    path: Path

    def options(self, schema: str = "loaded") -> dict[str, Any]:
        return {"type": "duckdb", "path": str(self.path), "schema": schema}

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(statement).fetchall()


def backfill_of(start: str, end: str) -> dict[str, Any]:
    """What makes a job a backfill."""
    return {"mode": "backfill", "interval": {"start": start, "end": end}}


def complete(job: dict[str, Any]) -> dict[str, Any]:
    """A job as the protocol has it; a question (`check`, `discover`) has no task, and asks for its one collection."""
    if job.get("mode") == "drop_tables":
        return job
    if job.get("mode") not in ("check", "discover"):
        return {"mode": "sync", "claim": 0} | job
    asked = job if "collections" in job else job | {"collections": [job["collection"]]}
    names = ("mode", "source", "source_type", "source_config", "collections", "data_dir")
    return {name: asked[name] for name in names}


def sync_of(job: dict[str, Any]) -> Sync:
    """The same for what makes a source of it in this process."""
    return msgspec.convert(complete(job), Sync)


def commit_each(records: int) -> None:
    """Commit after so many records and not after a hundred thousand."""
    copying._COMMIT_RECORDS = records


class Attempt:
    """A child at work, in a process group of its own as under a worker; `armed` are its fail points.

    `prepare` is called in the child before it begins.
    """

    def __init__(self, job: dict[str, Any], *, armed: str = "", prepare: Callable[[], None] | None = None) -> None:
        receiving, sending = os.pipe()
        self._process = fork_attempt(
            json.dumps(complete(job)).encode(),
            events=sending,
            environment=os.environ | ({VARIABLE: armed} if armed else {}),
            prepare=prepare,
        )
        os.close(sending)
        self._events = os.fdopen(receiving, "rb")
        self._decode = msgspec.json.Decoder(AttemptMessage).decode

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def stands_still(self) -> None:
        """Returns when everything that the tap wrote before it stopped has been read."""
        assert any(isinstance(message, LogLine) and "stands still" in message.message for message in self.messages())

    def messages(self) -> Iterator[AttemptMessage]:
        for line in self._events:
            yield self._decode(line)

    def kill(self) -> None:
        """As a worker does it: the whole group."""
        os.killpg(self.pid, signal.SIGKILL)
        self.close()

    def terminate(self) -> int:
        os.killpg(self.pid, signal.SIGTERM)
        return self.close()

    def close(self) -> int:
        self._events.close()
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


@dataclass(frozen=True)
class Told:
    """Everything that an attempt said."""

    messages: list[AttemptMessage]

    @property
    def finished(self) -> Finished:
        assert isinstance(self.messages[-1], Finished), self.messages
        assert not self._wrong, self.messages
        return self.messages[-1]

    @property
    def failed(self) -> Failed:
        """How the attempt failed, or the first thing that a check found wrong."""
        for wrong in self._wrong:
            return Failed(str(wrong.error), retryable=wrong.retryable)
        assert isinstance(self.messages[-1], Failed), self.messages
        return self.messages[-1]

    @property
    def _wrong(self) -> list[Checked]:
        return [message for message in self.messages if isinstance(message, Checked) and message.error is not None]

    @property
    def committed(self) -> list[Committed]:
        return [message for message in self.messages if isinstance(message, Committed)]

    @property
    def logged(self) -> list[LogLine]:
        return [message for message in self.messages if isinstance(message, LogLine)]

    @property
    def lines(self) -> list[str]:
        return [line.message for line in self.logged]

    @classmethod
    def by(cls, attempt: Attempt) -> Told:
        """Waits for its end."""
        told = cls(list(attempt.messages()))
        attempt.close()
        return told


@dataclass
class Trial:
    """One collection on its way to destinations; each `run` is an attempt of a new task unless told otherwise."""

    directory: Path
    destinations: dict[str, dict[str, Any]]
    source_type: str
    source_config: dict[str, Any] = field(default_factory=dict)
    collection: dict[str, Any] = field(default_factory=dict)
    source: str = "source"
    mode: str = "sync"
    data_dir: Path | None = None
    commit_records: int | None = None
    tasks: int = 0
    generation: int = 0
    set_bookmarks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(
        self, *, again: int = 0, armed: str = "", backfill: tuple[str, str] | None = None, **parameters: Any
    ) -> Attempt:
        """`again` > 0 is another claim of the last task; `parameters` of the collection count for this one alone.

        `backfill` has the two ends of an interval.
        """
        job = self.job(again=again, **parameters)
        if backfill:
            job |= backfill_of(*backfill)
        prepare = None if self.commit_records is None else partial(commit_each, self.commit_records)
        return Attempt(job, armed=armed, prepare=prepare)

    def job(self, *, again: int = 0, **parameters: Any) -> dict[str, Any]:
        self.tasks += not again
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        collection = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
        collection |= self.collection
        if parameters:
            collection["parameters"] = self.collection.get("parameters", {}) | parameters
        return {
            "task": task,
            "task_id": f"{self.source}_made_{task}",
            "attempt": 1 + again,
            "claim": 1 + again,
            "source": self.source,
            "source_type": self.source_type,
            "source_config": self.source_config,
            "collection": collection,
            "destinations": self.destinations,
            "generation": self.generation,
            "set_bookmarks": self.set_bookmarks,
            "data_dir": str(self.data_dir or self.directory / "state"),
            "mode": self.mode,
        }

    def drop_job(self, **confirmed: list[str]) -> dict[str, Any]:
        """What lists the tables, and drops those that are confirmed for a destination."""
        names = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
        return {
            "mode": "drop_tables",
            "source": self.source,
            "source_type": self.source_type,
            "source_config": self.source_config,
            "collection": names | self.collection,
            "destinations": self.destinations,
            "data_dir": str(self.data_dir or self.directory / "state"),
            "confirmed": confirmed,
        }

    def run(self, *, again: int = 0, **parameters: Any) -> Told:
        return Told.by(self.start(again=again, **parameters))

    def die(self, at: str, *, again: int = 0, **parameters: Any) -> Told:
        """An attempt that is killed at a fail point, such as `child.staged`, or `child.staged@2` the second time."""
        point, _, nth = at.partition("@")
        attempt = self.start(again=again, armed=f"{point}=kill" + (f"@{nth}" if nth else ""), **parameters)
        told = Told(list(attempt.messages()))
        assert attempt.close() == -signal.SIGKILL, told.messages
        return told


@dataclass
class Scene:
    """One collection, its tap and its destinations; `run` is one attempt of a new task unless told otherwise."""

    directory: Path
    destinations: dict[str, dict[str, Any]]
    config: dict[str, Any] = field(default_factory=lambda: {"rows": 20, "state_every": 5, "key": ["id"]})
    collection: dict[str, Any] = field(default_factory=lambda: {"sync_mode": "incremental", "cursor_field": "at"})
    source: str = "source"
    generation: int = 0
    tasks: int = 0
    bookmarks: dict[str, Any] = field(default_factory=dict)
    set_bookmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    catalog: dict[str, Any] = field(default_factory=lambda: CATALOG)

    def __post_init__(self) -> None:
        (self.directory / "tap.py").write_text(TAP)
        os.mkfifo(self.fifo)
        self.config["fifo"] = str(self.fifo)

    @property
    def fifo(self) -> Path:
        return self.directory / "fifo"

    def start(
        self, *, again: int = 0, attempt: int | None = None, options: dict[str, Any] | None = None, **changes: Any
    ) -> Attempt:
        """`again` > 0 is another claim of the last task; `changes` are made to the tap's configuration.

        `attempt` is the number of an attempt that was given out before, `options` are further ones of the source.
        """
        self.tasks += not again
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        collection = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
        command = [sys.executable, str(self.directory / "tap.py")]
        return Attempt(
            {
                "task": task,
                "task_id": f"{self.source}_made_{task}",
                "attempt": attempt or 1 + again,
                "claim": 1 + again,
                "source": self.source,
                "source_type": "singer",
                "source_config": {"command": command, "catalog": self.catalog, "config": self.config | changes}
                | (options or {}),
                "collection": collection | self.collection,
                "destinations": self.destinations,
                "generation": self.generation,
                "data_dir": str(self.directory / "state"),
                "bookmarks": self.bookmarks,
                "set_bookmarks": self.set_bookmarks,
            }
        )

    def run(self, *, again: int = 0, **changes: Any) -> Told:
        return Told.by(self.start(again=again, **changes))

    def run_and_remember(self) -> Told:
        """As under a worker, which keeps the bookmarks of destinations that do not."""
        told = self.run()
        self.bookmarks |= {
            each.destination: {"bookmark": each.bookmark, "standing": each.standing} for each in told.committed
        }
        return told

    def load(self, *lines: Any, **changes: Any) -> Told:
        """An attempt whose tap writes these messages, or these very lines."""
        written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        return self.run(lines=written, **changes)


def schema(key: list[str] | None = None, /, **properties: Any) -> dict[str, Any]:
    """A SCHEMA message; a property is a JSON type or a whole JSON schema."""
    described = {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in properties.items()}
    return {"type": "SCHEMA", "stream": "made", "key_properties": key or [], "schema": {"properties": described}}


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "made", "record": fields}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def unheard(level: Level, message: str) -> None:
    """A log that nobody reads."""
