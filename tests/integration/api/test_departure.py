"""Clients that leave before they are answered."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from app.config.reader import load_catalogue
from app.execution.source_check import check_source
from tests.harness import PATIENCE_SECONDS
from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.api.serving import OpenedApi

# A tap that connects and then says nothing for ever.
SILENT_TAP = "import socket; socket.create_connection(('127.0.0.1', {port})).recv(1)"
SILENT = """
server: {{admin_token: {token}}}
sources:
  silent:
    type: singer
    config: {{command: {command}}}
    destinations: [nowhere]
    collections: [any]
destinations:
  nowhere: {{type: none}}
"""


class LeavingClient:
    """Posts to the application as a server would pass it on, and is gone once `leaves` is set."""

    def __init__(self, path: str, body: bytes, *, whole: bool) -> None:
        self._path = path
        self._sent = [{"type": "http.request", "body": body, "more_body": not whole}]
        self.leaves = asyncio.Event()
        self.answer: list[Any] = []

    async def post(self, api: OpenedApi) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": self._path,
            "raw_path": self._path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"x-admin-token", TOKEN.encode())],
        }
        await api.app(scope, self._receive, self._send)

    async def _receive(self) -> Any:
        if self._sent:
            return self._sent.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.answer.append(message)


async def test_a_client_that_leaves_while_it_sends_is_no_failure_of_ours(api: OpenedApi) -> None:
    client = LeavingClient("/api/v1/sources/test", b'{"source":', whole=False)
    client.leaves.set()
    with structlog.testing.capture_logs() as logs:
        await client.post(api)
    assert [(entry["event"], entry["log_level"], entry["status"]) for entry in logs] == [("request", "info", 499)]
    assert client.answer == []


async def test_the_child_of_a_source_test_ends_when_the_client_leaves(api: OpenedApi, tmp_path: Path) -> None:
    connected, ended = asyncio.Event(), asyncio.Event()

    async def listen_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        while await reader.read(1024):
            pass
        ended.set()
        writer.close()

    async with await asyncio.start_server(listen_in, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        command = json.dumps([sys.executable, "-c", SILENT_TAP.format(port=port)])
        catalogue = load_catalogue(SILENT.format(command=command, token=TOKEN), {})
        api.surroundings.catalogue = catalogue
        api.surroundings.source_test = lambda source, collection: check_source(
            catalogue, source, collection, data_dir=tmp_path, now=datetime.now(UTC)
        )
        client = LeavingClient("/api/v1/sources/test", b'{"source": "silent"}', whole=True)
        with structlog.testing.capture_logs() as logs:
            async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_SECONDS):
                group.create_task(client.post(api))
                await connected.wait()
                client.leaves.set()
                await ended.wait()
    assert [entry["status"] for entry in logs if entry["event"] == "request"] == [499]
    assert client.answer == []
