"""Trials of sources: a few at once, and each only for as long as its client waits for it."""

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
"""In one process of the API: every trial is a process of its own beside it."""

_RETRY_LATER: Final = {"Retry-After": "5"}


class Trials:
    """Lets connectors be asked; whatever asks them ends what it has started when it is canceled."""

    def __init__(self) -> None:
        self._running = 0

    async def run(self, request: Request, ask: Callable[[], Awaitable[Result]]) -> Result:
        """What `ask` returns, while the client, whose body has been read, is there.

        Raises:
            RefusedError: 429; there are `MOST_AT_ONCE` already.
            ClientDisconnect: the client has left, and the trial has ended.
            SynclineError: the connector's own error.
        """
        if self._running >= MOST_AT_ONCE:
            why = f"{MOST_AT_ONCE} sources are being tried already; try again"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "Too many trials at once", why, headers=_RETRY_LATER)
        self._running += 1
        try:
            return await _while_there(request, ask())
        finally:
            self._running -= 1


async def _while_there(request: Request, work: Awaitable[Result]) -> Result:
    trial, departure = asyncio.ensure_future(work), asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait([trial, departure], return_when=asyncio.FIRST_COMPLETED)
        if not trial.done():
            raise ClientDisconnect
        return trial.result()
    finally:
        trial.cancel()
        departure.cancel()
        await asyncio.gather(trial, departure, return_exceptions=True)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
