"""Sends POSTs over persistent connections, each as fast as the responses come, from a cheap process of its own.

    python -m benchmarks.load PORT CONNECTIONS FIRST LAST

Requests the tasks FIRST … LAST - 1 once each and prints JSON: the seconds it took, the number of responses by status,
the 99th percentile of the response times in milliseconds, and the CPU seconds that the client itself used.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import httptools
import uvloop

from benchmarks.product import LOOPBACK, TOKEN, names

if TYPE_CHECKING:
    from collections.abc import Iterator


class Client(asyncio.Protocol):
    """One connection; it takes requests from the iterator that all of them share."""

    def __init__(self, requests: Iterator[bytes], statuses: Counter[int], seconds: list[float]) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._statuses = statuses
        self._seconds = seconds
        self._answer = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer.feed_data(data)

    def on_message_complete(self) -> None:
        self._statuses[self._answer.get_status_code()] += 1
        self._seconds.append(time.perf_counter() - self._sent)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server has closed the connection"))

    def _send(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            if not self.ended.done():
                self.ended.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


async def send(requests: Iterator[bytes], *, port: int, connections: int, percentile: int) -> dict[str, Any]:
    """Send all requests: the seconds it took, the answers by status, and a percentile (`p99`) of the answer times."""
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Client(requests, statuses, seconds), LOOPBACK, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.ended for _, client in opened))
    return {
        "seconds": time.perf_counter() - began,
        "statuses": statuses,
        f"p{percentile}": sorted(seconds)[len(seconds) * percentile // 100] * 1000,
    }


async def post(port: int, connections: int, tasks: range) -> dict[str, Any]:
    requests = iter([_request(number) for number in tasks])
    cpu_before = time.process_time()
    sent = await send(requests, port=port, connections=connections, percentile=99)
    return sent | {"cpu": time.process_time() - cpu_before}


def _request(number: int) -> bytes:
    source, collection = names(number)
    head = f"POST /api/v1/tasks?source={source}&collection={collection} HTTP/1.1"
    return f"{head}\r\nHost: localhost\r\nX-Admin-Token: {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()


if __name__ == "__main__":
    port, connections, first, last = map(int, sys.argv[1:])
    print(json.dumps(uvloop.run(post(port, connections, range(first, last)))))
