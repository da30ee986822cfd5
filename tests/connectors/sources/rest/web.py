"""A JSON API for tests, on this machine: pages of every kind, tokens that expire, and answers that fail on demand."""

from __future__ import annotations

import http.server
import json
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Table
from app.connectors.making import make_source
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError, SynclineError
from tests.connectors.attempts import Attempt, Told, sync_of
from tests.servers.web import answering

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.contract.passes import Source
    from app.domain.attempt_protocol import Level

PAGE = 4


def order(number: int) -> dict[str, Any]:
    return {"id": number, "at": f"2024-01-{number + 1:02}T00:00:00Z", "total": number + 0.1, "tags": ["a", number]}


class Answer(NamedTuple):
    """`body` is JSON, or bytes as they are."""

    body: Any
    headers: dict[str, str] = {}  # noqa: RUF012 -- never changed
    status: HTTPStatus = HTTPStatus.OK


class Server(http.server.ThreadingHTTPServer):
    """`orders` are what it has; `failures` what it answers first, each (path, status, headers).

    With `tokens` it answers only to a bearer of the last one; a request for a token adds one. What `answers` has for a
    path is asked with the query, or with the JSON that is posted. `headers` are those of GETs.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.orders = [order(number) for number in range(10)]
        self.failures: list[tuple[str, HTTPStatus, dict[str, str]]] = []
        self.tokens: list[str] | None = None
        self.answers: dict[str, Callable[[dict[str, Any]], Answer]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Tests look at what is loaded."""

    def do_POST(self) -> None:
        posted = self.rfile.read(int(self.headers["Content-Length"]))
        if answer := self.server.answers.get(self.path):
            self.server.asked.append(self.path)
            self._send(answer(json.loads(posted)))
            return
        assert self.server.tokens is not None
        self.server.tokens.append(f"token-{len(self.server.tokens)}")
        self._answer({"access_token": self.server.tokens[-1], "expires_in": 3600})

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        address = urlsplit(self.path)
        for failure in self.server.failures:
            if failure[0] == address.path:
                self.server.failures.remove(failure)
                self._answer({"message": "no"}, failure[1], failure[2])
                return
        accepted = self.server.tokens
        if accepted is not None and self.headers["Authorization"] != f"Bearer {(accepted or ['none'])[-1]}":
            self._answer({"message": "who are you?"}, HTTPStatus.UNAUTHORIZED)
            return
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if answer := self.server.answers.get(address.path):
            self._send(answer(query))
            return
        _, kind, *rest = address.path.split("/")
        if rest:
            self._answer([{"line": line, "order": int(rest[0])} for line in range(2)])
            return
        since = query.get("since", "")
        found = [each for each in self.server.orders if each["at"] >= since]
        begin = int(query.get("page", 0)) * PAGE if kind == "pages" else int(query.get("offset", query.get("at", 0)))
        more = begin + PAGE < len(found)
        following = f"{self.server.url}/{kind}?since={since}&at={begin + PAGE}"
        page: dict[str, Any] = {"items": found[begin : begin + PAGE], "total": len(found)}
        page["pages"] = -(-len(found) // PAGE)
        if kind == "links" and more:
            page["next"] = following
        if kind == "cursors":
            page["next"] = str(begin + PAGE) if more else None
        self._answer(page, headers={"Link": f'<{following}>; rel="next"'} if kind == "headers" and more else {})

    def _answer(self, body: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> None:
        self._send(Answer(body, headers or {}, status))

    def _send(self, answer: Answer) -> None:
        text = answer.body if isinstance(answer.body, bytes) else jsontext.encode(answer.body).encode()
        self.send_response(answer.status)
        usual = {"Content-Length": str(len(text)), "Content-Type": "application/json"}
        for name, value in (usual | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


def serving() -> AbstractContextManager[Server]:
    return answering(Server())


@dataclass
class Web:
    """Attempts and readings of one collection of the server."""

    server: Server
    directory: Path
    resources: list[Any]
    client: dict[str, Any] = field(default_factory=dict)
    collection: dict[str, Any] = field(default_factory=dict)
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: list[tuple[Level, str]] = field(default_factory=list)
    tasks: int = 0
    from_files: bool = False
    generation: int = 0
    set_bookmarks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, *, again: int = 0) -> Told:
        """One attempt of a new task, or another one of the last."""
        self.tasks += not again
        attempt = Attempt(self._job(again))
        told = Told(list(attempt.messages()))
        attempt.close()
        return told

    def source(self) -> Source:
        job = sync_of(self._job(0) | {"from_files": self.from_files})
        return make_source(job, work_dir=self.directory, log=lambda level, message: self.lines.append((level, message)))

    def read(self, bookmark: str | None = None) -> tuple[dict[str, list[dict[str, Any]]], list[str | None]]:
        """The records of each table, and all bookmarks."""
        records: dict[str, list[dict[str, Any]]] = {}
        bookmarks: list[str | None] = []
        with closing(self.source()) as source:
            for item in source.read(bookmark):
                match item:
                    case Table():
                        records.setdefault(item.name, [])
                    case Rows():
                        records[item.table] += item.records
                    case Checkpoint():
                        bookmarks.append(item.bookmark)
        return records, bookmarks

    def _job(self, again: int) -> dict[str, Any]:
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        collection = {"name": "made", "type": "orders", "table_name": "made", "start_date": "2020-01-01"}
        return {
            "task": task,
            "task_id": f"web_made_{task}",
            "attempt": 1 + again,
            "generation": self.generation,
            "set_bookmarks": self.set_bookmarks,
            "source": "web",
            "source_type": "rest",
            "source_config": {
                "client": {"base_url": self.server.url} | self.client,
                "resources": self.resources,
            },
            "collection": collection | self.collection,
            "destinations": self.destinations,
            "data_dir": str(self.directory / "state"),
        }


def says(web: Web, answer: Callable[[dict[str, Any]], Answer] | Any, **endpoint: Any) -> None:
    """The API answers so, and its one resource is read so."""
    web.server.answers["/rows"] = answer if callable(answer) else lambda _query: Answer(answer)
    web.resources = [{"name": "orders", "endpoint": {"path": "rows"} | endpoint}]


def ids(web: Web) -> list[int]:
    """Of the rows that are read."""
    return [each["id"] for each in web.read()[0].get("made", [])]


def refused(web: Web, *, for_good: bool = True) -> str:
    """Why the reading fails, with the address of what was asked."""
    with pytest.raises(SynclineError) as error:
        web.read()
    assert isinstance(error.value, ConfigurationError) is for_good
    start = f"source 'web', collection 'made': cannot read: GET {web.server.url}/rows"
    assert str(error.value).startswith(start)
    assert " returned 20" in str(error.value)
    return str(error.value)
