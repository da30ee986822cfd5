"""A way to PostgreSQL that a test can cut, or let fall silent as a network does that drops every packet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers.postgres import TcpServer


class Proxy:
    """Forwards connections; `cut` ends and refuses them, `freeze` keeps them open and passes nothing on.

    `lead_to` gives new connections another server; those that are open keep theirs.
    `notifications` is how often each notification of the server is delivered; normally once.
    `freeze_at` is the first byte of what a client sends next, such as a message of this type: from there on it is
    frozen.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._open = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._abandoned: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.notifications = 1
        self.freeze_at = b""

    @property
    def flows(self) -> bool:
        return self._flowing.is_set()

    def cut(self) -> None:
        self._open = False
        for writer in tuple(self._writers):
            writer.transport.abort()

    def lead_to(self, server: TcpServer) -> None:
        self._host, self._port = server["host"], server["port"]

    def freeze(self) -> None:
        self._flowing.clear()

    def mend(self) -> None:
        self._open = True
        self._flowing.set()

    def abandon(self) -> None:
        """Leave the connections of now open and pass nothing on, for good: their client's machine is gone."""
        for pump in tuple(self._pumps):
            pump.cancel()
        self._abandoned |= self._writers
        self._writers.clear()

    def bury(self) -> None:
        """End what was abandoned."""
        for writer in self._abandoned:
            writer.transport.abort()
        self._abandoned.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        if not self._open:
            writer.transport.abort()
            return
        try:
            their_reader, their_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:  # the server is away
            writer.transport.abort()
            return
        self._writers |= {writer, their_writer}
        for source, sink, filtered in ((reader, their_writer, None), (their_reader, writer, Notifications(self))):
            pump = asyncio.create_task(self._pump(source, sink, filtered))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, filtered: Notifications | None
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                if self.freeze_at and not filtered and chunk.startswith(self.freeze_at):
                    self.freeze_at = b""
                    self.freeze()
                await self._flowing.wait()
                sink.write(filtered.passed(chunk) if filtered else chunk)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)

    async def aclose(self) -> None:
        self.mend()
        self.cut()
        self.bury()
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


class Notifications:
    """What a server says on one connection, with its notifications (message `A`) dropped or repeated.

    PostgreSQL's protocol, "Message Formats": a type of one byte, then the length with itself but without the type. The
    answer to a request for TLS, one byte alone, may come before all messages.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._kept = b""
        self._begun = False

    def passed(self, chunk: bytes) -> bytes:
        """What of the bytes so far goes on; a message that is not complete yet waits."""
        said = self._kept + chunk
        passed = bytearray()
        start = 0
        if not self._begun:
            self._begun = True
            start = len(said[:1]) if said[:1] in {b"N", b"S"} else 0
            passed += said[:start]
        while len(said) >= start + 5:
            end = start + 1 + int.from_bytes(said[start + 1 : start + 5], "big")
            if end > len(said):
                break
            passed += said[start:end] * (self._proxy.notifications if said[start] == ord("A") else 1)
            start = end
        self._kept = said[start:]
        return bytes(passed)


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
