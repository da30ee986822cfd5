"""HTTP as bytes on a connection: for clients that do what no library would."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tests.acceptance.cluster import TOKEN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AUTHORITY = f"Host: syncline\r\nX-Admin-Token: {TOKEN}\r\n".encode()
PATIENCE_SECONDS = 60


class Answer(NamedTuple):
    """`headers` have small names; `body` is all of it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection to an address such as `http://127.0.0.1:8001`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *parts: bytes) -> None:
        """Send, and wait until the system has taken it."""
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def answer(self) -> Answer:
        """The next whole answer; IncompleteReadError and other OSErrors where there is none."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (header.partition(": ") for header in rest)}
            status = int(line.split()[1])
            if headers.get("transfer-encoding") == "chunked":
                return Answer(status, headers, await self._chunks())
            return Answer(status, headers, await self._reader.readexactly(int(headers.get("content-length", "0"))))

    async def request(self, method: str, target: str, *headers: str) -> Answer:
        """Send a request without a body and take its answer."""
        lines = "".join(f"{header}\r\n" for header in headers).encode()
        await self.send(f"{method} {target} HTTP/1.1\r\n".encode() + AUTHORITY + lines + b"\r\n")
        return await self.answer()

    async def read(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read(size)

    async def closed(self) -> bytes:
        """What comes until the other side has closed; nothing more where it has broken off."""
        received = bytearray()
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionError):
                while chunk := await self._reader.read(65_536):
                    received += chunk
        return bytes(received)

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return bytes(body)


@asynccontextmanager
async def wire(address: str) -> AsyncIterator[Wire]:
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
