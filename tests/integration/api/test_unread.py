"""Answers that nobody takes, and that are too small to let anybody ask the application to pause."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from app.api.http.connection import BoundedConnection
from tests.harness import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope, Send

# What the system keeps of an answer: as little as it can, so that most stays with the server.
KERNEL_BYTES = 4096
SMALL, LARGE = 40_000, 120_000  # below and above the 64 KB at which the transport asks for a pause


async def application(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers with as many bytes as the path says, and behind `/broken` it breaks off."""
    size = int(scope["path"].rpartition("/")[2])
    head: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(head)
    await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})
    if scope["path"].startswith("/broken"):
        raise ZeroDivisionError
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[tuple[str, int], set[Any]]]:
    """A server's address, and its connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        config = uvicorn.Config(
            application, http=BoundedConnection, ws="none", lifespan="off", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve([listener]))  # `serve` would take the signals

        async def is_up() -> bool:
            return server.started

        await until(is_up)
        yield listener.getsockname(), server.server_state.connections
        server.should_exit = server.force_exit = True
        await running


@asynccontextmanager
async def client_of(address: tuple[str, int]) -> AsyncIterator[socket.socket]:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        client.settimeout(0)
        await asyncio.get_running_loop().sock_connect(client, address)
        yield client


async def take(client: socket.socket, size: int) -> None:
    while size > 0:
        received = await asyncio.get_running_loop().sock_recv(client, min(size, 1000))
        assert received
        size -= len(received)


@pytest.mark.parametrize(
    ("target", "taken"),
    [(f"/{SMALL}", 0), (f"/{LARGE}", LARGE - SMALL // 2), (f"/broken/{SMALL}", 0)],
    ids=["never begun", "left off near its end", "broken off by the application"],
)
async def test_a_connection_that_is_to_close_does_not_wait_for_its_reader_for_ever(
    monkeypatch: pytest.MonkeyPatch, target: str, taken: int
) -> None:
    monkeypatch.setattr("app.api.http.connection.UNREAD_SECONDS", 0.5)
    async with serving() as (address, connections), client_of(address) as client:
        request = f"GET {target} HTTP/1.1\r\nHost: syncline\r\nConnection: close\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(client, request.encode())

        async def is_closing() -> bool:
            return any(connection.transport.is_closing() for connection in connections)

        await take(client, taken)
        await until(is_closing)
        assert any(connection.transport.get_write_buffer_size() for connection in connections), "something is left"

        async def is_over() -> bool:
            return not connections

        await until(is_over)


async def test_a_connection_that_asks_for_nothing_more_does_not_wait_for_its_reader_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.api.http.connection.UNREAD_SECONDS", 0.5)
    monkeypatch.setattr("app.api.http.connection.REQUEST_SECONDS", 0.2)
    async with serving() as (address, connections), client_of(address) as client:
        # Its body never comes: the answer did not need it.
        request = f"GET /{SMALL} HTTP/1.1\r\nHost: syncline\r\nContent-Length: 1\r\n\r\n"
        await asyncio.get_running_loop().sock_sendall(client, request.encode())
        await take(client, 1)

        async def is_over() -> bool:
            return not connections

        await until(is_over)
