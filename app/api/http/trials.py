"""Tests and discovery of sources: a few at a time, and each only while its client waits for it."""

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
"""In one API process: each trial runs as a separate process."""

_RETRY_LATER: Final = {"Retry-After": "5"}


class Trials:
    """Runs trials, which stop what they have started when they are canceled."""

    def __init__(self) -> None:
        self._running = 0

    async def run(self, request: Request, ask: Callable[[], Awaitable[Result]]) -> Result:
        """The result of `ask`; the request's body must have been read.

        Raises:
            RefusedError: 429; `MOST_AT_ONCE` are running already.
            ClientDisconnect: the client has left, and the trial was stopped.
            SynclineError: the connector's own error.
        """
        if self._running >= MOST_AT_ONCE:
            why = f"{MOST_AT_ONCE} sources are already being tested or discovered; try again later"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "Too many source tests at once", why, headers=_RETRY_LATER)
        self._running += 1
        try:
            return await _run_while_connected(request, ask())
        finally:
            self._running -= 1


async def _run_while_connected(request: Request, work: Awaitable[Result]) -> Result:
    trial, departure = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait([trial, departure], return_when=asyncio.FIRST_COMPLETED)
        if not trial.done():
            raise ClientDisconnect
        return trial.result()
    finally:
        trial.cancel()
        departure.cancel()
        await asyncio.gather(trial, departure, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
