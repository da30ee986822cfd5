"""Clients that leave before they are answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from tests.integration.api.serving import TOKEN

if TYPE_CHECKING:
    from tests.integration.api.serving import OpenedApi


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
