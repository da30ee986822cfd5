"""A collection of files for tests: a directory, a server that gives it away, and attempts that read it."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import signal
import zipfile
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from app.connectors.contract.passes import Checkpoint, Doubt, Rows
from app.connectors.making import make_source
from app.domain.errors import SynclineError
from tests.connectors.attempts import Attempt, Told, commit_each, sync_of
from tests.servers.web import answering

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from app.connectors.contract.passes import Source


@dataclass
class Filing:
    """`run` is one attempt of a new task; `parameters` are those of the collection.

    A higher `generation` is what a reset leaves.
    """

    directory: Path
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    collection: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    tasks: int = 0
    generation: int = 0

    def __post_init__(self) -> None:
        self.inbox.mkdir()
        self.parameters.setdefault("path", f"{self.inbox}/*")

    @property
    def inbox(self) -> Path:
        return self.directory / "inbox"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.inbox / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *, again: int = 0, **parameters: Any) -> Told:
        """An attempt; `again` > 0 is another one of the last task. `parameters` count for it alone."""
        self.tasks += not again
        return Told.by(Attempt(self._job(again, parameters)))

    def die(self, at: str) -> None:
        """An attempt of a new task, killed at a fail point, as with `Trial`; it commits after each file."""
        self.tasks += 1
        point, _, nth = at.partition("@")
        armed = f"{point}=kill" + (f"@{nth}" if nth else "")
        attempt = Attempt(self._job(0, {}), armed=armed, prepare=functools.partial(commit_each, 1))
        told = list(attempt.messages())
        assert attempt.close() == -signal.SIGKILL, told

    def source(self, **parameters: Any) -> Source:
        """The source as an attempt makes it, for what no destination has a part in."""
        job = sync_of(self._job(0, parameters))
        return make_source(job, work_dir=self.directory, log=lambda _level, _message: None)

    def read(self, bookmark: str | None = None, **parameters: Any) -> tuple[list[dict[str, Any]], str | None]:
        """The records that are new since `bookmark`, and the bookmark after them."""
        records: list[dict[str, Any]] = []
        for item in self.source(**parameters).read(bookmark):
            match item:
                case Rows():
                    records += item.records
                case Checkpoint():
                    bookmark = item.bookmark
        return records, bookmark

    def doubts(self, bookmark: str | None = None, **parameters: Any) -> list[str]:
        """Why the reading may be incomplete."""
        return [item.reason for item in self.source(**parameters).read(bookmark) if isinstance(item, Doubt)]

    def failure(self, **parameters: Any) -> SynclineError:
        with pytest.raises(SynclineError) as failed:
            self.read(**parameters)
        return failed.value

    def _job(self, again: int, parameters: dict[str, Any]) -> dict[str, Any]:
        task = f"0192f7c2-0000-7000-8000-{self.tasks:012}"
        collection = {"name": "made", "type": "made", "table_name": "made", "start_date": "2020-01-01"}
        return {
            "task": task,
            "task_id": f"shelf_made_{task}",
            "attempt": 1 + again,
            "source": "shelf",
            "source_type": "files",
            "source_config": self.config,
            "collection": collection | {"parameters": self.parameters | parameters} | self.collection,
            "destinations": self.destinations,
            "generation": self.generation,
            "data_dir": str(self.directory / "state"),
        }


def table(rows: range) -> pa.Table:
    return pa.table({"id": list(rows), "text": [f"row {number}" for number in rows]})


def csv_of(rows: range) -> str:
    return "id,text\n" + "".join(f"{number},row {number}\n" for number in rows)


def jsonl_of(rows: range) -> str:
    return "".join(f'{{"id": {number}, "text": "row {number}"}}\n' for number in rows)


def parquet_of(rows: range, *, group: int = 3) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table(rows), out, row_group_size=group)
    return out.getvalue()


def zip_of(**members: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # Of no moment: the names of tests hold such bytes, and all processes of a run collect the same ones.
            archive.writestr(zipfile.ZipInfo(name.replace("_", ".", 1)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


# Without a time in it: the tests of one run are named after it in every process.
gzip_of = functools.partial(gzip.compress, mtime=0)


class Server(http.server.ThreadingHTTPServer):
    """Gives a directory away. `validators` is what it says of a file's version; `status` what it answers instead.

    It breaks off after `cut` bytes. `encoded`: it compresses what it sends, though nobody has asked for it.
    `labels`: it calls the compression of the files themselves their `Content-Encoding`, as Apache's `AddEncoding` does.
    `content_type` is what it says of every file, instead of what the name says.
    """

    validators: str = "modified"
    status: HTTPStatus | None = None
    gets: int = 0
    authorization: str | None = None
    cut: int | None = None
    encoded: bool = False
    labels: bool = False
    content_type: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Tests look at what is loaded."""

    def do_GET(self) -> None:
        self.server.gets += 1
        self.server.authorization = self.headers["Authorization"]
        if self.server.status is None:
            super().do_GET()
        else:
            self.send_error(self.server.status)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read(self.server.cut)
        outputfile.write(gzip_of(content) if self.server.encoded else content)

    def end_headers(self) -> None:
        if self.server.encoded or self.server.labels:
            super().send_header("Content-Encoding", "gzip")
        super().end_headers()

    def do_HEAD(self) -> None:
        if self.server.status is None:
            super().do_HEAD()
        else:
            self.send_error(self.server.status)

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Content-type" and self.server.content_type is not None:
            value = self.server.content_type
        if keyword == "Content-Length" and self.server.encoded:
            return  # of the content as it was
        if keyword != "Last-Modified" or self.server.validators == "modified":
            super().send_header(keyword, value)
        if keyword == "Content-Length" and self.server.validators == "etag":
            with open(self.translate_path(self.path), "rb") as file:  # noqa: PTH123 -- a text
                super().send_header("ETag", f'"{hashlib.md5(file.read()).hexdigest()}"')  # noqa: S324 -- no secret


def serving(directory: Path) -> AbstractContextManager[Server]:
    return answering(Server(("127.0.0.1", 0), functools.partial(_Handler, directory=str(directory))))
