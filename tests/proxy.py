"""A way to PostgreSQL that a test can cut, or let fall silent as a network does that drops every packet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.database import TcpServer


class Proxy:
    """Forwards connections; `cut` ends and refuses them, `freeze` keeps them open and passes nothing on."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._open = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        self._open = False
        for writer in tuple(self._writers):
            writer.transport.abort()

    def freeze(self) -> None:
        self._flowing.clear()

    def mend(self) -> None:
        self._open = True
        self._flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        if not self._open:
            writer.transport.abort()
            return
        their_reader, their_writer = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, their_writer}
        for source, sink in ((reader, their_writer), (their_reader, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                await self._flowing.wait()
                sink.write(chunk)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)

    async def aclose(self) -> None:
        self.mend()
        self.cut()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def proxied(url: str, server: TcpServer) -> AsyncIterator[tuple[str, Proxy]]:
    """The same database by way of a proxy: its URL and the proxy."""
    proxy = Proxy(server["host"], server["port"])
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    login = f"{quote(server['user'], safe='')}:{quote(server['password'], safe='')}"
    try:
        yield f"postgresql://{login}@127.0.0.1:{port}{urlsplit(url).path}", proxy
    finally:
        listening.close()
        await proxy.aclose()
