"""Calls of connectors that a client waits for, such as the test of a source: a few at a time."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.requests import ClientDisconnect

from app.api.http.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

Result = TypeVar("Result")

MOST_AT_ONCE: Final = 4
"""In one API process: each call runs as a process of its own."""

_RETRY_LATER: Final = {"Retry-After": "5"}


class ConnectorCalls:
    """Runs calls, each only while its client waits. A call that is canceled must stop what it has started."""

    def __init__(self) -> None:
        self._running = 0

    async def run(self, request: Request, call: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `call`; the request's body must have been read.

        Raises:
            RefusedError: 429; `MOST_AT_ONCE` are running already.
            ClientDisconnect: the client has left, and the call was stopped.
            SynclineError: the connector's own error.
        """
        if self._running >= MOST_AT_ONCE:
            why = f"{MOST_AT_ONCE} connector calls are already running; try again later"
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS, "Too many connector calls at once", why, headers=_RETRY_LATER
            )
        self._running += 1
        try:
            return await _run_while_connected(request, call())
        finally:
            self._running -= 1


async def _run_while_connected(request: Request, work: Awaitable[Result]) -> Result:
    call, departure = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait([call, departure], return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise ClientDisconnect
        return call.result()
    finally:
        call.cancel()
        departure.cancel()
        await asyncio.gather(call, departure, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
